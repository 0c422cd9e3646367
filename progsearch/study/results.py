"""The measurements and results of a run. Pure data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

ClassScores = Mapping[str, Mapping[str, int | float]]
"""Scores of each class: its name to the names of scores to their values; counts are whole."""


@dataclass(frozen=True)
class Record:
    """The state of a run at the end of an epoch or a stage.

    Attributes:
        step: Optimizer steps made.
        fraction: The same as a fraction of the run.
        epoch: Epochs done; not a whole number if a stage ends within an epoch.
        metrics: The task's metrics on its validation data.
        seconds: Seconds of training and evaluation so far, including those of reused segments.
        constant: Whether all predictions on the validation data are the same; with several
            seeds, whether those of any seed are.
    """

    step: int
    fraction: float
    epoch: float
    metrics: dict[str, float]
    seconds: float
    constant: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """The inverse of `to_dict`; records of earlier versions do not have all fields."""
        return cls(**data)


@dataclass(frozen=True)
class Timings:
    """Seconds of a run by kind of work.

    Attributes:
        setup: Loading before the first step.
        train: Training, including scoring blocks between stages, and including reused steps.
        evaluate: Evaluation, including reused steps.
        saved: The part of both that reuse saved.
    """

    setup: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0
    saved: float = 0.0

    @property
    def run(self) -> float:
        """Training and evaluation, without setup."""
        return self.train + self.evaluate

    @property
    def spent(self) -> float:
        """Training and evaluation actually done, without what reuse saved."""
        return self.train + self.evaluate - self.saved

    def __add__(self, other: Timings) -> Timings:
        """The sum by kind."""
        return Timings(
            self.setup + other.setup,
            self.train + other.train,
            self.evaluate + other.evaluate,
            self.saved + other.saved,
        )

    def to_dict(self) -> dict[str, float]:
        """As JSON-able data."""
        return asdict(self)


@dataclass(frozen=True)
class Spent:
    """The resources that a run has used so far.

    Attributes:
        timings: Seconds by kind of work.
        steps_trained: Optimizer steps that it made itself; the others were reused.
        peak_memory: Peak bytes: allocated on the GPU, or in use by the process on a CPU.
    """

    timings: Timings
    steps_trained: int
    peak_memory: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data, with the keys of a trial's attributes."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """The result of a complete run.

    Attributes:
        metrics: The task's metrics on its validation data after the last step.
        spent: The resources that it used.
        test_metrics: The task's metrics on its test data, if the run evaluated them.
        seeds: The metrics of each run, if this is the mean of several.
        per_class: The scores of each class on validation data, if the task type has any.
        chosen: What was trained, if blocks were chosen during training; replaces the planned
            attributes ``schedule``, ``run`` and ``costs`` of the trial.
    """

    metrics: dict[str, float]
    spent: Spent
    test_metrics: dict[str, float] | None = None
    seeds: tuple[dict[str, float], ...] | None = None
    per_class: ClassScores | None = None
    chosen: Chosen | None = None


@dataclass(frozen=True)
class Chosen:
    """What a run trained whose stages chose their blocks when they began.

    Attributes:
        schedule: The stages, as returned by `Schedule.to_dicts`.
        run: The run's config, as data.
        costs: Its `RunCost`, as data.
    """

    schedule: list[dict[str, Any]]
    run: dict[str, Any]
    costs: dict[str, Any]


def mean_scores(runs: Iterable[ClassScores | None]) -> ClassScores | None:
    """The mean of the scores of each class over the runs that have them; None if none has."""
    found = [scores for scores in runs if scores]
    if not found:
        return None
    return {
        name: {score: mean(one[name][score] for one in found) for score in scores}
        for name, scores in found[0].items()
    }
