"""Peak memory of a training step by schedule, with and without what saves memory.

    python benchmarks/memory.py [--blocks 12] [--width 1024] [--rows 8] [--tokens 64] [--out FILE]
        [--json]

A Llama with random weights on random tokens, in bf16, two steps a stage, each run in a process of
its own. Measured is what the process holds at its peak (`PeakMemory`, after each forward and each
backward pass) beyond what it held before the model was made. ``predicted`` is what a search knows
before the run. The ways:

- ``plain``: frozen weights in fp32, nothing checkpointed;
- ``frozen``: frozen weights in bf16 (``--frozen-dtype auto``), the default;
- ``checkpointing``: ``--gradient-checkpointing`` alone;
- ``both``;
- ``nf4`` (if bitsandbytes is installed): frozen weights in 4 bits (``--frozen-dtype nf4``), and
  checkpointing;
- ``8-bit`` (the same): ``both``, and moments in 8 bits (``--optimizer adamw-8bit``).

Writes ``benchmarks/results/memory.json``, or ``--out``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hardware import hardware
from transformers import AutoModelForSequenceClassification, LlamaConfig, PreTrainedModel

from progsearch import Schedule
from progsearch.config import MethodSettings, TrainingConfig, method_of
from progsearch.costs.memory import ModelMemory
from progsearch.engine.loop import Engine
from progsearch.engine.memory import PeakMemory, keep_freed_memory
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.methods import apply_method
from progsearch.models.anatomy import Anatomy, find_anatomy
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Stage
from progsearch.schedule.plan import SegmentPlan
from progsearch.tasks import Split
from progsearch.training.step_memory import measure_memory
from progsearch.version import ENGINE_VERSION

RESULTS = Path(__file__).parent / "results" / "memory.json"
LORA = "LoRA"
CPU = torch.device("cpu")
WAYS: dict[str, Any] = {
    "plain": {"frozen_dtype": "fp32"},
    "frozen": {"frozen_dtype": "auto"},
    "checkpointing": {"frozen_dtype": "fp32", "gradient_checkpointing": True},
    "both": {"frozen_dtype": "auto", "gradient_checkpointing": True},
}
if find_spec("bitsandbytes") is not None:
    WAYS["nf4"] = {"frozen_dtype": "nf4", "gradient_checkpointing": True}
    WAYS["8-bit"] = WAYS["both"] | {"optimizer": "adamw-8bit"}
VOCABULARY = 8192
STEPS_PER_STAGE = 2


def schedules(blocks: int) -> dict[str, Schedule]:
    """The schedules by name; LoRA's trains all blocks."""
    third = blocks // 3

    def window(first: int, last: int) -> Schedule:
        return Schedule(blocks, (Stage(0.0, 1.0, tuple(range(first, last)), embeddings=False),))

    return {
        "full": Schedule.full(blocks),
        "progtuning-3": Schedule.progtuning(blocks, 3),
        "top third": window(blocks - third, blocks),
        "middle third": window(third, 2 * third),
        LORA: window(0, blocks),
    }


def method_for(schedule: str) -> MethodSettings:
    """The method of a schedule."""
    return method_of("lora" if schedule == LORA else "full")


def training_of(way: str, settings: argparse.Namespace) -> TrainingConfig:
    """The training of a way."""
    return TrainingConfig(epochs=1, batch_size=settings.rows, precision="bf16", **WAYS[way])


def data(settings: argparse.Namespace, steps: int) -> Split:
    """Random tokens for so many steps."""
    draw = np.random.default_rng(0)
    n = settings.rows * steps
    ids = draw.integers(5, VOCABULARY, size=n * settings.tokens)
    labels = {"labels": draw.integers(0, 2, size=n)}
    return Split(ids, np.full(n, settings.tokens), labels, pad_id=0)


def made(
    schedule: str, settings: argparse.Namespace
) -> tuple[PreTrainedModel, Anatomy, TrainableParameters]:
    """The model with the method of a schedule."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=settings.width,
        intermediate_size=settings.width * 11 // 4,
        num_hidden_layers=settings.blocks,
        num_attention_heads=settings.width // 64,
        pad_token_id=0,
        use_cache=False,
    )
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    anatomy = find_anatomy(model)
    return model, anatomy, apply_method(model, anatomy, method_for(schedule))


def measure(name: str, way: str, settings: argparse.Namespace) -> dict[str, Any]:
    """One run, in this process."""
    keep_freed_memory()
    schedule, training = schedules(settings.blocks)[name], training_of(way, settings)
    steps = STEPS_PER_STAGE * len(schedule.stages)
    split = data(settings, steps)
    if "nf4" in WAYS:
        import bitsandbytes  # noqa: F401  # its own memory is not the run's
    before = PeakMemory(CPU)
    before.sample()
    model, anatomy, trainable = made(name, settings)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    names = [trainable.names(stage) for stage in schedule.stages]
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    updated = sum(sizes[name] for stage in names for name in stage) / len(names) / parameters
    shortcuts = usual_shortcuts(
        model, anatomy, "bf16", trained=trainable.names(*schedule.stages), splits=[split]
    )
    plan = SegmentPlan(schedule, steps, 1)
    engine = Engine(model, anatomy, trainable, plan, training, split, shortcuts=shortcuts)
    engine.advance(steps)
    return {
        "schedule": name,
        "way": way,
        "parameters": parameters,
        "updated": updated,
        "measured": engine.memory.peak - before.peak,
    }


def predictions(settings: argparse.Namespace) -> list[dict[str, Any]]:
    """What is predicted for each run."""
    split = data(settings, STEPS_PER_STAGE)
    memory: dict[tuple[bool, str, str], ModelMemory] = {}
    found = []
    for name, schedule in schedules(settings.blocks).items():
        for way in WAYS:
            training = training_of(way, settings)
            key = name == LORA, training.frozen_dtype, training.optimizer
            if key not in memory:
                parts = made(name, settings)
                memory[key] = measure_memory(*parts, [split], training, "bf16", device=CPU)
            predicted = memory[key].of(schedule, training, len(split))
            found.append({"schedule": name, "way": way, "predicted": predicted})
    return found


def in_a_process(arguments: list[str]) -> Any:
    """What this script prints when it is called with these arguments."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure, write the file, print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("SCHEDULE", "WAY"), help=argparse.SUPPRESS)
    parser.add_argument("--predict", action="store_true", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    if settings.one or settings.predict:
        name, way = settings.one or ("", "")
        one = predictions(settings) if settings.predict else measure(name, way, settings)
        print(json.dumps(one))
        return
    sizes = {name: getattr(settings, name) for name in ("blocks", "width", "rows", "tokens")}
    arguments = [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
    runs = []
    for known in in_a_process([*arguments, "--predict"]):
        place = [known["schedule"], known["way"]]
        runs.append(known | in_a_process([*arguments, "--one", *place]))
        if not settings.json:
            print(json.dumps(runs[-1]), flush=True)
        result = {
            "hardware": hardware(CPU),
            "torch": torch.__version__,
            "engine": ENGINE_VERSION,
            "settings": sizes,
            "runs": runs,
        }
        settings.out.write_text(json.dumps(result, indent=1) + "\n")
    if settings.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
