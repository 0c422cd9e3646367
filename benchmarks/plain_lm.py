"""Compares loss and accuracy of the type ``causal-lm`` with those of a plain transformers script.

The first half uses nothing of progsearch. It is written from the documentation of transformers:
labels of the prompt and of padding are -100, the model shifts the labels itself, and the loss of
a data set is the mean over its target tokens (task guide "causal language modeling", and
"perplexity of fixed-length models"). It trains a small Llama from nothing for a few steps, with a
tokenizer that it makes from the data, and saves both. The second half evaluates the saved weights
as `progsearch train` does, with all shortcuts:

    python benchmarks/plain_lm.py --data ../shared/data/sft/gsm8k-dev.jsonl
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

MAX_LENGTH, BATCH, END = 512, 4, "<|end|>"
_AGREEMENT = 1e-6

# -- plain transformers ------------------------------------------------------------------------


def rows_in(path: Path, most: int) -> list[dict[str, str]]:
    """The first questions and answers of a file like that of GSM8K."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:most]]


def save_model(folder: Path, rows: list[dict[str, str]], steps: int) -> None:
    """Make a tokenizer and a Llama, train it for a few steps of 4 rows, and save both."""
    words = ByteLevelBPETokenizer()
    texts = [row["question"] + row["answer"] for row in rows]
    words.train_from_iterator(texts, vocab_size=2000, special_tokens=[END, "<|pad|>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words._tokenizer, eos_token=END, pad_token="<|pad|>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = AutoModelForCausalLM.from_config(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for start in range(0, BATCH * steps, BATCH):
        model(**batch_of(tokenizer, rows[start : start + BATCH])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def batch_of(tokenizer: Any, rows: list[dict[str, str]]) -> dict[str, torch.Tensor]:
    """Rows padded on the right; the labels of prompts and padding are -100."""
    ids, labels = [], []
    for row in rows:
        prompt = tokenizer(row["question"] + "\n")["input_ids"]
        whole = tokenizer(row["question"] + "\n" + row["answer"] + END)["input_ids"]
        ids.append(whole[:MAX_LENGTH])
        labels.append(([-100] * len(prompt) + whole[len(prompt) :])[:MAX_LENGTH])
    width = max(map(len, ids))
    padding = tokenizer.pad_token_id
    return {
        "input_ids": torch.tensor([i + [padding] * (width - len(i)) for i in ids]),
        "attention_mask": torch.tensor([[1] * len(i) + [0] * (width - len(i)) for i in ids]),
        "labels": torch.tensor([i + [-100] * (width - len(i)) for i in labels]),
    }


def plain_metrics(folder: Path, rows: list[dict[str, str]]) -> dict[str, float]:
    """Mean loss and share of right tokens over all target tokens."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    total, right, count = 0.0, 0, 0
    for start in range(0, len(rows), BATCH):
        batch = batch_of(tokenizer, rows[start : start + BATCH])
        with torch.no_grad():
            output = model(**batch)
        labels = batch["labels"][:, 1:]
        counted = labels != -100
        number = int(counted.sum())
        total += float(output.loss) * number
        right += int((output.logits[:, :-1].argmax(-1) == labels)[counted].sum())
        count += number
    loss = total / count
    return {"loss": loss, "perplexity": math.exp(loss), "token_accuracy": right / count}


# -- progsearch --------------------------------------------------------------------------------


def our_metrics(folder: Path, file: Path) -> dict[str, float]:
    """The metrics of the same weights as a run computes them."""
    from progsearch.config import RunConfig, StageConfig, TaskConfig, TrainingConfig
    from progsearch.training import TrainingRun

    task = TaskConfig(
        name="rows", train_file=str(file), validation_file=str(file), max_length=MAX_LENGTH
    )
    config = RunConfig(
        progsearch_version="",
        model=str(folder),
        task=task,
        training=TrainingConfig(precision="fp32"),
        stages=(StageConfig(start=0, end=1, trainable_blocks=(3,), embeddings=False),),
    )
    with TrainingRun.from_config(config) as run:
        return run.evaluate(run.task.validation)


def main() -> int:
    """Print both sides; 1 if they differ."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="questions and answers, JSONL")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    rows = rows_in(given.data, given.rows)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = folder / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        save_model(folder / "model", rows, given.steps)
        plain = plain_metrics(folder / "model", rows)
        ours = our_metrics(folder / "model", file)
    differs = False
    for name, value in plain.items():
        agrees = abs(ours[name] - value) <= _AGREEMENT * max(1.0, value)
        differs |= not agrees
        print(f"{name:15} plain {value:.8f}  progsearch {ours[name]:.8f}  {'' if agrees else '!'}")
    return int(differs)


if __name__ == "__main__":
    raise SystemExit(main())
