"""Samples per second of the engine against transformers.Trainer and against the bare ideal.

    python benchmarks/engine.py --data-dir GLUE/MRPC [--rows 320] [--repeats 3] [--device cuda]
        [--out FILE] [--json]

all-MiniLM-L6 on MRPC rows, batch 32, one thread, on the CPU or a GPU. What is measured is
optimizer steps alone: batches, forward, backward, clipping and AdamW, without loading, evaluation
or a store. Per precision and number of frozen blocks (embeddings frozen with them) four things are
timed in turn, ``--repeats`` times, so that a ratio always compares neighbours in time:

- ``trainer``: transformers.Trainer with `ProgtuningCallback`, the same batches;
- ``engine``: the engine without the prefix cache; where it trains the token embedding, it trains
  the rows of the tokens in all of MRPC, however few rows are timed;
- ``cached``: the engine with it;
- ``ideal``: bare forward, backward and AdamW step of the unfrozen part alone, on hidden states
  that are there already; like the engine's, its last block works only for the token that the head
  reads.

Timed is the second epoch of the stage: the first one fills the cache; on a GPU the third, since
the second one records its steps. ``defaults`` compares both
tools as they come: Trainer's own batches (8, shuffled), fp32 and AdamW against the engine's
length-grouped batches of 32 in the precision ``auto``. Writes ``benchmarks/results/engine.json``,
or ``--out``.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hardware import hardware
from torch import nn
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments

from progsearch import ProgtuningCallback, Schedule
from progsearch.config import TaskConfig, TrainingConfig, method_of
from progsearch.config.run import Precision
from progsearch.costs import steps_per_epoch
from progsearch.engine.batches import epoch_batches
from progsearch.engine.loop import Engine
from progsearch.engine.precision import autocast, resolve_precision
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.head import Head
from progsearch.models.loading import load_model, load_tokenizer
from progsearch.schedule.plan import SegmentPlan
from progsearch.tasks import Split, load_task

RESULTS = Path(__file__).parent / "results" / "engine.json"
BATCH = 32


def classifier() -> PreTrainedModel:
    """all-MiniLM-L6 with a head of two classes."""
    return load_model("minilm-l6", Head(2))


def schedule_of(n_frozen: int) -> Schedule:
    """Full fine-tuning, or the lowest blocks and the embeddings frozen throughout."""
    return Schedule.full(6) if n_frozen == 0 else Schedule.last_blocks(6, 6 - n_frozen)


def time_engine(
    split: Split,
    seen: list[Split],
    n_frozen: int,
    precision: str,
    prefix_cache: bool,
    device: torch.device,
    make: Callable[[], PreTrainedModel] = classifier,
) -> float:
    """Samples per second of the last epoch, by a model that has to know ``seen``."""
    warm_up = 2 if device.type == "cuda" else 1
    model = make().to(device)
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of())
    training = TrainingConfig(epochs=warm_up + 1, batch_size=BATCH, precision=precision)
    plan = SegmentPlan(schedule_of(n_frozen), steps_per_epoch(len(split), BATCH), training.epochs)
    shortcuts = usual_shortcuts(
        model,
        anatomy,
        resolve_precision(training.precision, device),
        trained=trainable.names(*plan.schedule.stages),
        splits=[split, *seen],
        left_out=() if prefix_cache else (FrozenPrefix,),
    )
    engine = Engine(model, anatomy, trainable, plan, training, split, shortcuts=shortcuts)
    engine.advance(warm_up * engine.steps_per_epoch)
    started = time.perf_counter()
    engine.advance(engine.total_steps)
    return len(split) / (time.perf_counter() - started)


class _Batches(torch.utils.data.Dataset[Any]):
    def __init__(self, split: Split) -> None:
        self.split = split
        self.batches = [b for e in (0, 1) for b in epoch_batches(split.lengths, BATCH, 0, e)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.split.batch(self.batches[index])


class _Rows(torch.utils.data.Dataset[Any]):
    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> int:
        return index


class _InOrder(Trainer):
    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class _Clock(TrainerCallback):
    def __init__(self, start_step: int) -> None:
        self.start_step = start_step

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.start_step:
            _wait_for(args.device)
            self.started = time.perf_counter()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        _wait_for(args.device)
        self.seconds = time.perf_counter() - self.started


def _train_with_trainer(
    kind: type[Trainer],
    dataset: Any,
    collator: Any,
    clock: _Clock,
    extra: list[Any],
    device: torch.device,
    make: Callable[[], PreTrainedModel] = classifier,
    **arguments: Any,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kind(
            model=make(),
            args=TrainingArguments(
                output_dir=folder,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                use_cpu=device.type == "cpu",
                disable_tqdm=True,
                **arguments,
            ),
            train_dataset=dataset,
            data_collator=collator,
            callbacks=[clock, *extra],
        ).train()


def time_trainer(
    split: Split,
    n_frozen: int,
    precision: Precision,
    device: torch.device,
    make: Callable[[], PreTrainedModel] = classifier,
) -> float:
    """The Trainer on the engine's batches."""
    dataset = _Batches(split)
    clock = _Clock(len(dataset) // 2)
    _train_with_trainer(
        _InOrder,
        dataset,
        lambda items: items[0],
        clock,
        [ProgtuningCallback(schedule_of(n_frozen))],
        device,
        make,
        num_train_epochs=1,
        per_device_train_batch_size=1,
        bf16=precision == "bf16",
        weight_decay=0.01,
        warmup_steps=0.1,
    )
    return len(split) / clock.seconds


def time_trainer_defaults(split: Split, device: torch.device) -> float:
    """The Trainer as it comes: batch 8, shuffled, fp32."""
    clock = _Clock(-(-len(split) // 8))
    _train_with_trainer(
        Trainer,
        _Rows(split),
        lambda rows: split.batch(np.array(rows)),
        clock,
        [],
        device,
        num_train_epochs=2,
    )
    return len(split) / clock.seconds


class _Given(nn.Module):
    """Stands in for embeddings and frozen blocks: returns what it is given."""

    hidden: torch.Tensor

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self.hidden


def time_ideal(split: Split, n_frozen: int, precision: Precision, device: torch.device) -> float:
    """Bare steps of the unfrozen part; batches and hidden states are made beforehand."""
    model = load_model("minilm-l6", Head(2)).to(device)
    batches = [split.batch(b, device) for b in epoch_batches(split.lengths, BATCH, 0, 1)]
    head_token = HeadToken.found(model, find_anatomy(model), split)
    given = _Given()
    hidden = []
    if n_frozen:
        model.eval()
        with torch.no_grad(), autocast(precision, device):
            for batch in batches:
                output = model.bert(
                    batch["input_ids"], batch["attention_mask"], output_hidden_states=True
                )
                hidden.append(output.hidden_states[n_frozen])
        model.bert.embeddings = given
        model.bert.encoder.layer = copy.copy(model.bert.encoder.layer)[n_frozen:]
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def epoch() -> None:
        for index, batch in enumerate(batches):
            if n_frozen:
                given.hidden = hidden[index]
            with head_token.alone(batch["input_ids"]), autocast(precision, device):
                loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    epoch()
    _wait_for(device)
    started = time.perf_counter()
    epoch()
    _wait_for(device)
    return len(split) / (time.perf_counter() - started)


def measure(
    split: Split, seen: list[Split], repeats: int, device: torch.device
) -> list[dict[str, Any]]:
    """All settings, each measured ``repeats`` times."""

    def engine(n_frozen: int, precision: str, prefix_cache: bool) -> float:
        return time_engine(split, seen, n_frozen, precision, prefix_cache, device)

    rows: list[dict[str, Any]] = []
    for repeat in range(repeats):
        for precision in ("fp32", "bf16"):
            for n_frozen in (0, 2, 4, 5):
                row = {
                    "repeat": repeat,
                    "precision": precision,
                    "frozen": n_frozen,
                    "trainer": time_trainer(split, n_frozen, precision, device),
                    "engine": engine(n_frozen, precision, False),
                    "ideal": time_ideal(split, n_frozen, precision, device),
                }
                row["cached"] = engine(n_frozen, precision, True) if n_frozen else row["engine"]
                rows.append(row)
                print(json.dumps(row), flush=True)
        row = {
            "repeat": repeat,
            "precision": "defaults",
            "frozen": 0,
            "trainer": time_trainer_defaults(split, device),
            "engine": engine(0, "auto", True),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians and ranges of the ratios that pair neighbours in time."""
    full = {(r["repeat"], r["precision"]): r["engine"] for r in rows if r["frozen"] == 0}
    table = []
    settings = sorted({(r["precision"], r["frozen"]) for r in rows})
    for precision, frozen in settings:
        group = [r for r in rows if (r["precision"], r["frozen"]) == (precision, frozen)]
        entry: dict[str, Any] = {"precision": precision, "frozen": frozen}
        best = "cached" if "cached" in group[0] else "engine"
        ratios = {"to_trainer": [r[best] / r["trainer"] for r in group]}
        if precision != "defaults":
            ratios["to_full"] = [r[best] / full[r["repeat"], precision] for r in group]
            ratios["to_ideal"] = [r[best] / r["ideal"] for r in group]
            ratios["cache"] = [r[best] / r["engine"] for r in group]
        if precision == "bf16":
            ratios["to_fp32"] = [
                r[best]
                / next(
                    f[best]
                    for f in rows
                    if (f["repeat"], f["precision"], f["frozen"]) == (r["repeat"], "fp32", frozen)
                )
                for r in group
            ]
        for name, values in ratios.items():
            entry[name] = {
                "median": statistics.median(values),
                "min": min(values),
                "max": max(values),
            }
        entry["samples_per_second"] = statistics.median(r[best] for r in group)
        table.append(entry)
    return table


def markdown(table: list[dict[str, Any]]) -> str:
    """The summary as a table: median (smallest to largest) of each ratio."""
    columns = ("to_trainer", "to_full", "to_ideal", "cache", "to_fp32")
    lines = [
        "| precision | frozen | samples/s | × Trainer | × full | × ideal | cache | × fp32 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in table:
        cells = [
            "{median:.2f} ({min:.2f} to {max:.2f})".format(**entry[name]) if name in entry else ""
            for name in columns
        ]
        lines.append(
            f"| {entry['precision']} | {entry['frozen']} | {entry['samples_per_second']:.1f} | "
            + " | ".join(cells)
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, write the file, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = load_tokenizer("minilm-l6")
    task = TaskConfig(name="mrpc", data_dir=str(Path(arguments.data_dir).resolve()))
    seen = load_task(task, tokenizer).splits()
    few = task.model_copy(update={"max_train_samples": arguments.rows})
    rows = measure(load_task(few, tokenizer).train, seen, arguments.repeats, arguments.device)
    result: dict[str, Any] = {
        "hardware": hardware(arguments.device),
        "torch": torch.__version__,
        "rows": rows,
        "summary": summary(rows),
    }
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result) if arguments.json else markdown(result["summary"]))


if __name__ == "__main__":
    main()
