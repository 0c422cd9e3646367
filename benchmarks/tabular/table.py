"""The table of finished trainings, as replays look things up in it. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from progsearch.config import TaskConfig, TrainingConfig
from progsearch.costs import ModelCost, PartCost
from progsearch.schedule import Schedule
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.problem import Problem

from .points import EPOCHS

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """One training, with every seed it was made with.

    Attributes:
        baseline: The name of the baseline that it is, if it is one.
        segments: End step and key of each epoch; equal keys are the same work.
        updated_parameters: A fraction of full fine-tuning's.
        flops: Of the whole run.
        accuracy: Validation accuracy after each epoch, by seed.
        seconds: Training and evaluation of each epoch, by seed.
        metrics: All validation metrics at the end, by seed.
    """

    baseline: str | None
    segments: tuple[tuple[int, str], ...]
    updated_parameters: float
    flops: float
    accuracy: Mapping[int, Sequence[float]]
    seconds: Mapping[int, Sequence[float]]
    metrics: Mapping[int, Mapping[str, float]]

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.segments[-1][0]

    def values(self, seed: int) -> tuple[float, float]:
        """The objectives at the end: accuracy, updated parameters."""
        return self.accuracy[seed][-1], self.updated_parameters


class Table:
    """The trainings, by learning rate and schedule.

    Attributes:
        entries: All of them.
        seeds: Those that every training was made with.
        problem: What a search knows of the model and the task.
        task: The data.
        space: What the trainings are the points of.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        problem: Problem,
        task: TaskConfig,
        space: Space,
    ) -> None:
        self.problem = problem
        self.task = task
        self.space = space
        groups: dict[tuple[float, str], list[Mapping[str, Any]]] = {}
        for row in rows:
            schedule = Schedule.from_dicts(json.loads(row["schedule"]), problem.n_blocks)
            groups.setdefault((row["learning_rate"], schedule.key()), []).append(row)
        self._entries = {key: _entry(group) for key, group in groups.items()}
        self.seeds = sorted({row["seed"] for row in rows})
        self._by_values: dict[str, Entry] = {}

    @classmethod
    def load(cls, name: str) -> Table:
        """The table of a task, as `make.py` wrote it."""
        table = pq.read_table(FOLDER / f"{name}.parquet")
        about = json.loads(table.schema.metadata[b"about"])
        return cls(
            table.to_pylist(),
            _problem(about["subject"]),
            TaskConfig(**about["task"]),
            Space.of(about["space"], f"the space of {name}.parquet"),
        )

    @property
    def entries(self) -> list[Entry]:
        """All trainings."""
        return list(self._entries.values())

    @property
    def baselines(self) -> list[Entry]:
        """Those of them that are baselines, as far as they are not the same training."""
        return [entry for entry in self.entries if entry.baseline]

    @property
    def steps(self) -> int:
        """Optimizer steps of a whole run; all have as many."""
        return self.entries[0].steps

    def of_schedule(self, learning_rate: float, schedule: Schedule) -> Entry:
        """The training by that schedule; a KeyError where it is not a point of the table."""
        return self._entries[learning_rate, schedule.key()]

    def of_values(self, values: Mapping[str, Any]) -> Entry:
        """The training that a point of the space, as its settings, comes to."""
        key = repr(sorted(values.items()))
        if key not in self._by_values:
            choice = choice_of(values, TrainingConfig(learning_rate=self.problem.learning_rate))
            scores = self.problem.contributions.get(choice.spec.metric or "")
            schedule = choice.spec.schedule(self.problem.n_blocks, scores, EPOCHS)
            self._by_values[key] = self.of_schedule(choice.training.learning_rate, schedule)
        return self._by_values[key]


def _entry(rows: Sequence[Mapping[str, Any]]) -> Entry:
    first = rows[0]
    return Entry(
        baseline=first["baseline"],
        segments=tuple(zip(first["segment_ends"], first["segments"], strict=True)),
        updated_parameters=first["updated_parameters"],
        flops=first["flops"],
        accuracy={row["seed"]: tuple(row["accuracy"]) for row in rows},
        seconds={row["seed"]: tuple(row["seconds"]) for row in rows},
        metrics={row["seed"]: json.loads(row["metrics"]) for row in rows},
    )


def _problem(data: dict[str, Any]) -> Problem:
    costs = {
        method: ModelCost(
            embeddings=PartCost(**cost["embeddings"]),
            blocks=tuple(PartCost(**block) for block in cost["blocks"]),
            head=PartCost(**cost["head"]),
        )
        for method, cost in data["costs"].items()
    }
    scores = {metric: tuple(values) for metric, values in data["contributions"].items()}
    remarks = tuple(data["remarks"])
    return Problem(**{**data, "costs": costs, "contributions": scores, "remarks": remarks})
