"""Samples per second of spans, words with tags and language models, frozen blocks against none.

    python benchmarks/engine_types.py --data ../shared/data [--rows 64] [--repeats 3]

Optimizer steps alone, as `benchmarks/engine.py` times them: the second epoch, batch 32, fp32, one
thread. Spans (XQuAD-en, 384 tokens) and tags (WNUT17) with all-MiniLM-L6; language models (GSM8K,
completions only) with a random Llama of the same six blocks and a vocabulary of 8,000. For no
frozen block and for 4 of 6 (embeddings frozen with them), the engine and `transformers.Trainer`
with `ProgtuningCallback` on the same batches are timed in turn, ``--repeats`` times, so that a
ratio compares neighbours in time. Writes ``benchmarks/results/engine-types.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from engine import time_engine, time_trainer
from hardware import hardware
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from progsearch.config import TaskConfig
from progsearch.models.loading import load_model, load_tokenizer
from progsearch.tasks import load_task

RESULTS = Path(__file__).parent / "results" / "engine-types.json"
FILES = {
    "span": "squad-format/xquad-en-train.json",
    "tokens": "ner/wnut17-train.conll",
    "causal-lm": "sft/gsm8k-train.jsonl",
}
N_FROZEN = 4
END, PADDING = "<|end|>", "<|pad|>"


def save_llama(folder: Path, file: Path) -> None:
    """Save a random Llama as large as all-MiniLM-L6, with a tokenizer made from a file."""
    words = ByteLevelBPETokenizer()
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[:2000]]
    texts = [f"{row['question']}\n{row['answer']}" for row in rows]
    words.train_from_iterator(texts, vocab_size=8000, special_tokens=[END, PADDING])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words._tokenizer, eos_token=END, pad_token=PADDING
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=12,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def measure(kind: str, file: Path, model: str, n_rows: int, repeats: int) -> list[dict[str, Any]]:
    """The samples per second of one type, each setting ``repeats`` times."""
    config = TaskConfig(name=kind, train_file=str(file), type=kind, max_train_samples=n_rows)
    task = load_task(config, load_tokenizer(model))
    device = torch.device("cpu")
    make: Callable[[], PreTrainedModel] = lambda: load_model(model, task.head)  # noqa: E731
    rows = []
    for repeat in range(repeats):
        for n_frozen in (0, N_FROZEN):
            row = {
                "repeat": repeat,
                "type": kind,
                "frozen": n_frozen,
                "trainer": time_trainer(task.train, n_frozen, "fp32", device, make),
                "engine": time_engine(
                    task.train, task.splits(), n_frozen, "fp32", True, device, make
                ),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Median, least and greatest of the ratios of each type."""
    found = {}
    for kind in FILES:
        pairs = list(
            zip(
                (r for r in rows if (r["type"], r["frozen"]) == (kind, 0)),
                (r for r in rows if (r["type"], r["frozen"]) == (kind, N_FROZEN)),
                strict=True,
            )
        )
        ratios = {
            "to_full": [frozen["engine"] / full["engine"] for full, frozen in pairs],
            "to_trainer": [frozen["engine"] / frozen["trainer"] for _, frozen in pairs],
            "full_to_trainer": [full["engine"] / full["trainer"] for full, _ in pairs],
        }
        found[kind] = {
            name: {"median": statistics.median(v), "min": min(v), "max": max(v)}
            for name, v in ratios.items()
        }
    return found


def main() -> None:
    """Measure, write the file, print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as llama:
        save_llama(Path(llama), arguments.data / FILES["causal-lm"])
        for kind, file in FILES.items():
            model = llama if kind == "causal-lm" else "minilm-l6"
            path = (arguments.data / file).resolve()
            rows += measure(kind, path, model, arguments.rows, arguments.repeats)
    result = {
        "hardware": hardware(torch.device("cpu")),
        "torch": torch.__version__,
        "rows": rows,
        "summary": summary(rows),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["summary"], indent=1))


if __name__ == "__main__":
    main()
