"""The table of finished trainings, as replays look things up in it. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow.parquet as pq

from progsearch.config import RunConfig, TaskConfig
from progsearch.costs import ModelCost
from progsearch.errors import ScheduleError
from progsearch.schedule import Schedule
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.candidates import candidate
from progsearch.strategy.problem import Problem

from .points import TASKS, Family, recipe_of, rescored_by
from .runs import problem_of

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Failure:
    """A training that could not be ended.

    Attributes:
        epochs: How many of its epochs were measured.
        reason: Why it could not.
    """

    epochs: int
    reason: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One training, with every seed it was made with.

    Attributes:
        baseline: The name of the reference that it is, if it is one.
        family: The space that it is part of.
        learning_rate: Its learning rate.
        segments: End step and key of each epoch; equal keys are the same work.
        segment_flops: FLOPs of each epoch.
        updated_parameters: A fraction of full fine-tuning's.
        curve: The task's metric on the validation data after each epoch, by seed; after a
            failure that of a constant answer.
        constant: Whether all predictions were the same after each epoch, by seed.
        seconds: Training and evaluation of each epoch, by seed.
        metrics: All validation metrics at the end, by seed.
        failures: By seed, if any.
    """

    baseline: str | None
    family: Family
    learning_rate: float
    segments: tuple[tuple[int, str], ...]
    segment_flops: tuple[float, ...]
    updated_parameters: float
    curve: Mapping[int, Sequence[float]]
    constant: Mapping[int, Sequence[bool]]
    seconds: Mapping[int, Sequence[float]]
    metrics: Mapping[int, Mapping[str, float]]
    failures: Mapping[int, Failure] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.segments[-1][0]

    @property
    def flops(self) -> float:
        """FLOPs of the whole run."""
        return sum(self.segment_flops)

    def values(self, *seeds: int) -> tuple[float, float]:
        """The objectives at the end: the mean of the metric over seeds, updated parameters."""
        return mean(self.curve[seed][-1] for seed in seeds), self.updated_parameters


class Table:
    """The trainings, by schedule and learning rate.

    Attributes:
        entries: All of them.
        seeds: Those that every training was made with.
        problem: What a search knows of the model and the task.
        task: The data.
        space: What the trainings are a part of.
        about: What the file says of itself.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        problem: Problem,
        task: TaskConfig,
        space: Space,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.problem = problem
        self.task = task
        self.space = space
        self.about = about or {}
        groups: dict[tuple[float, str, str | None], list[Mapping[str, Any]]] = {}
        for row in rows:
            schedule = Schedule.from_dicts(json.loads(row["schedule"]), problem.n_blocks)
            key = (row["learning_rate"], schedule.key(), row["rescored_by"])
            groups.setdefault(key, []).append(row)
        # An older table names a reference at one rate only.
        names = {
            key[1:]: group[0]["baseline"] for key, group in groups.items() if group[0]["baseline"]
        }
        self._entries = {
            key: _entry(group, names.get(key[1:]), problem) for key, group in groups.items()
        }
        self.entries = list(self._entries.values())
        self.seeds = sorted(
            seed for seed in self.entries[0].curve if all(seed in e.curve for e in self.entries)
        )
        self._by_values: dict[str, Entry | None] = {}

    @classmethod
    def load(cls, name: str) -> Table:
        """The table of a task, as `make.py` wrote it."""
        table = pq.read_table(FOLDER / f"{name}.parquet")
        about = json.loads(table.schema.metadata[b"about"])
        return cls(
            [_as_now(row) for row in table.to_pylist()],
            problem_of(about["subject"]),
            TaskConfig(**about["task"]),
            Space.of(_numbers(about["space"]), f"the space of {name}.parquet"),
            about,
        )

    @property
    def default(self) -> list[Entry]:
        """Those of the default space, with the references at all rates."""
        return [entry for entry in self.entries if entry.family == "default"]

    @property
    def baselines(self) -> list[Entry]:
        """The references at the default rate, as far as they are not the same training."""
        rate = self.problem.learning_rate
        return [e for e in self.entries if e.baseline and e.learning_rate == rate]

    @property
    def steps(self) -> int:
        """Optimizer steps of a whole run; all have as many."""
        return self.entries[0].steps

    def of_run(self, run: RunConfig) -> Entry | None:
        """The training of a run, whatever its seed; None if it is not in the table."""
        stages = [stage.model_dump() for stage in run.stages]
        schedule = Schedule.from_dicts(stages, self.problem.n_blocks)
        rate, metric = run.training.learning_rate, rescored_by(run, schedule)
        return self._entries.get((rate, schedule.key(), metric))

    def of_values(self, values: Mapping[str, Any]) -> Entry | None:
        """The training of a point of a space, as its settings; None if it is not in the table."""
        key = repr(sorted(values.items()))
        if key not in self._by_values:
            self._by_values[key] = self._of_values(values)
        return self._by_values[key]

    def _of_values(self, values: Mapping[str, Any]) -> Entry | None:
        recipe = recipe_of(self.problem.learning_rate, self.task)
        try:
            made = candidate(choice_of(values, recipe.training), recipe, self.problem)
        except ScheduleError:
            return None
        return self.of_run(made.run)


def tables() -> list[str]:
    """The tasks that there is a table of."""
    return [name for name in TASKS if (FOLDER / f"{name}.parquet").exists()]


def _as_now(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of an older table, which held accuracies of trainings that did not fail."""
    if "curve" in row:
        return row
    curve = row["accuracy"]
    added = {"family": "default", "rescored_by": None, "curve": curve, "reason": None}
    return {**row, **added, "constant": [False] * len(curve)}


def _numbers(space: dict[str, Any]) -> dict[str, Any]:
    """A space as an older table holds it, with words for small numbers."""
    rates = space["dimensions"]["learning_rate"]
    numbers = {**rates, "choices": [float(rate) for rate in rates["choices"]]}
    return {**space, "dimensions": {**space["dimensions"], "learning_rate": numbers}}


def _entry(rows: Sequence[Mapping[str, Any]], baseline: str | None, problem: Problem) -> Entry:
    first = rows[0]
    ends = first["segment_ends"]
    schedule = Schedule.from_dicts(json.loads(first["schedule"]), problem.n_blocks)
    (cost,) = problem.costs.values()
    # What a training that failed is worth.
    worst = problem.majority or 0.0
    return Entry(
        baseline=baseline,
        family=first["family"],
        learning_rate=first["learning_rate"],
        segments=tuple(zip(ends, first["segments"], strict=True)),
        segment_flops=_segment_flops(schedule, ends, first["flops"], cost),
        updated_parameters=first["updated_parameters"],
        curve={row["seed"]: _filled(row["curve"], len(ends), worst) for row in rows},
        constant={row["seed"]: tuple(row["constant"]) for row in rows},
        seconds={row["seed"]: _filled(row["seconds"], len(ends), 0.0) for row in rows},
        metrics={row["seed"]: json.loads(row["metrics"]) for row in rows},
        failures={
            row["seed"]: Failure(len(row["curve"]), row["reason"]) for row in rows if row["reason"]
        },
    )


def _filled(values: Sequence[float], length: int, filler: float) -> tuple[float, ...]:
    return (*values, *[filler] * (length - len(values)))


def _segment_flops(
    schedule: Schedule, ends: Sequence[int], flops: float, cost: ModelCost
) -> tuple[float, ...]:
    """The FLOPs of a run, by its epochs."""
    firsts = [0, *ends[:-1]]
    parts = [
        (end - first) * cost.flops_in(schedule.stage_at(first, ends[-1]))
        for first, end in zip(firsts, ends, strict=True)
    ]
    return tuple(flops * part / sum(parts) for part in parts)
