"""What both sides of `study.py` run: 6 schedules at each of 4 learning rates, on which data.

Five of the six begin with an epoch in which everything is trained, as progressive fine-tuning
does, and freeze then; one has its lowest blocks frozen throughout. All are points of the default
space (`progtuning`) for 6 blocks. A third of all steps are the beginning of another run. Random
draws from that space have less in common: `sharing.py` counts both.

The runs come in a fixed shuffled order, as a sampler would draw them.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

from progsearch.config import TaskConfig, TrainingConfig
from progsearch.schedule import Schedule
from progsearch.space.settings import choice_of

MODEL = "minilm-l6"
N_BLOCKS = 6
EPOCHS = 3
BATCH = 16
PARALLEL = 2
LEARNING_RATES = (5e-5, 1e-4, 2e-4, 4e-4)
MRPC_ROWS = 1200

_FREEZING = {"embeddings": "first_stage", "curve": "linear", "whole_epochs": True}
# The comments say how many blocks are frozen in each of the 3 epochs; embeddings go with them.
SETTINGS: dict[str, dict[str, Any]] = {
    # 0 0 0
    "full": {"n_stages": 1, "embeddings": "always", "curve": "parts"},
    # 0 0 4
    "late": _FREEZING | {"n_stages": 2, "stage_growth": 0.5, "further_freeze": 0.75},
    # 0 0 6
    "late-head": _FREEZING | {"n_stages": 2, "stage_growth": 0.5, "further_freeze": 1.0},
    # 0 4 4
    "early": _FREEZING | {"n_stages": 2, "stage_growth": 2.0, "further_freeze": 0.75},
    # 0 3 6
    "steady": _FREEZING | {"n_stages": 3, "further_freeze": 1.0},
    # 4 4 4
    "throughout": {
        "n_stages": 1,
        "embeddings": "never",
        "curve": "linear",
        "initial_freeze": 0.75,
    },
}


def schedules() -> dict[str, Schedule]:
    """The 6 schedules by name."""
    return {
        name: choice_of(settings, TrainingConfig()).spec.schedule(N_BLOCKS, epochs=EPOCHS)
        for name, settings in SETTINGS.items()
    }


def points(count: int) -> list[tuple[str, float]]:
    """The first ``count`` of the 24 runs: a schedule's name and a learning rate."""
    every = [(name, rate) for name in SETTINGS for rate in LEARNING_RATES]
    random.Random(0).shuffle(every)
    return every[:count]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what is run, the same for `study.py` and both sides."""
    parser.add_argument("--task", choices=("bbc-headlines", "mrpc"), default="bbc-headlines")
    parser.add_argument("--data-dir", help="folder of MRPC's train.tsv and dev.tsv")
    parser.add_argument("--schedules", type=int, default=24, help="how many of the 24 runs")
    parser.add_argument("--max-train-samples", type=int, help=f"MRPC: {MRPC_ROWS} by default")
    parser.add_argument("--parallel", type=int, default=PARALLEL, help="trials at once")
    parser.add_argument(
        "--gpus-per-trial", type=float, default=0.0, help="0: on CPUs; 0.25: four share a GPU"
    )
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"))


def task_of(arguments: argparse.Namespace) -> TaskConfig:
    """The data that the options say."""
    rows = arguments.max_train_samples
    if rows is None and arguments.task == "mrpc":
        rows = MRPC_ROWS
    folder = arguments.data_dir and str(Path(arguments.data_dir).resolve())
    return TaskConfig(name=arguments.task, data_dir=folder, max_train_samples=rows)
