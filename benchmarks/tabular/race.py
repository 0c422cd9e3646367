"""One repeat of a strategy, what many repeats come to, and how they are run."""

from __future__ import annotations

import bisect
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from progsearch.study.dominance import directions, hypervolume, non_dominated

from .strategies import Event
from .table import Entry, Table

_RESAMPLES = 10_000
# Hypervolumes that differ by less are the same front, summed in another order.
_TOLERANCE = 1e-12
_SIDES = directions(2)

Point = tuple[float, float]
Job = TypeVar("Job")
Result = TypeVar("Result")


def corner_of(table: Table) -> Point:
    """The reference point of hypervolumes: a constant answer, all parameters updated."""
    return table.problem.majority or 0.0, 1.0


def volume_of(entries: Sequence[Entry], seeds: Sequence[int], table: Table) -> float:
    """The hypervolume of trainings, by the mean of their metric over ``seeds``."""
    return hypervolume([entry.values(*seeds) for entry in entries], corner_of(table), _SIDES)


@dataclass
class Trace:
    """How the hypervolume of one repeat grew.

    Attributes:
        table: What is searched.
        seed: The seed of the table that the front is chosen by.
        unseen: The seeds that the strategy does not see, if any.
        steps: Steps trained at the end of each trial.
        trials: What these trials come to in whole ones.
        volumes: The hypervolume of the finished trials by then.
        true_volumes: The hypervolume of their front as the unseen seeds see it: that of the
            schedules a user would have chosen from, without the luck that chose them.
    """

    table: Table
    seed: int
    unseen: Sequence[int] = ()
    steps: list[int] = field(default_factory=list)
    trials: list[float] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)
    true_volumes: list[float] = field(default_factory=list)
    _front: list[Entry] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """One more trial ended."""
        volume = self.volumes[-1] if self.volumes else 0.0
        true_volume = self.true_volumes[-1] if self.true_volumes else 0.0
        if event.entry is not None and not self._is_beaten(event.entry):
            entries = [*self._front, event.entry]
            kept = non_dominated([entry.values(self.seed) for entry in entries], _SIDES)
            self._front = [entries[index] for index in kept]
            volume = volume_of(self._front, (self.seed,), self.table)
            true_volume = volume_of(self._front, self.unseen, self.table) if self.unseen else 0.0
        self.steps.append(event.steps)
        self.trials.append(event.trials)
        self.volumes.append(volume)
        self.true_volumes.append(true_volume)

    def _is_beaten(self, new: Entry) -> bool:
        metric, updated = new.values(self.seed)
        front = (entry.values(self.seed) for entry in self._front)
        return any(a >= metric and b <= updated for a, b in front)

    def steps_to(self, volume: float) -> int | None:
        """Steps until the hypervolume was first as large; None where it never was."""
        index = bisect.bisect_left(self.volumes, volume - _TOLERANCE)
        return self.steps[index] if index < len(self.steps) else None

    def volume_at(self, steps: float) -> float:
        """The hypervolume after so many steps."""
        index = bisect.bisect_right(self.steps, steps)
        return self.volumes[index - 1] if index else 0.0

    def volume_after(self, trials: int, *, true: bool = False) -> float:
        """The hypervolume when a budget of so many whole trials was spent."""
        index = bisect.bisect_right(self.trials, trials)
        volumes = self.true_volumes if true else self.volumes
        return volumes[index - 1] if index else 0.0


def run(events: Iterator[Event], trace: Trace, enough: Callable[[Trace], bool]) -> Trace:
    """Follow a strategy until it ends or the trace is ``enough``."""
    for event in events:
        trace.add(event)
        if enough(trace):
            break
    return trace


def interval(
    values: Sequence[float], statistic: Callable[..., Any], level: float = 0.95
) -> dict[str, float]:
    """A statistic of the repeats with its bootstrap interval (percentiles)."""
    array = np.asarray(values, dtype=float)
    # The same resamples for all, so that no difference between strategies comes from them.
    chosen = np.random.default_rng(0).integers(len(array), size=(_RESAMPLES, len(array)))
    low, high = np.quantile(statistic(array[chosen], axis=1), [(1 - level) / 2, (1 + level) / 2])
    name = statistic.__name__
    return {name: float(statistic(array)), "low": float(low), "high": float(high)}


_work: list[Callable[[Any], Any]] = []


def in_parallel(
    work: Callable[[Job], Result], jobs: Sequence[Job], processes: int
) -> list[Result]:
    """The results of ``work`` for all jobs, in their order."""
    _work.append(work)
    try:
        # Forked, so that the processes have the table and the strategies, which cannot be pickled.
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            return pool.map(_do, jobs, chunksize=1)
    finally:
        _work.pop()


def _do(job: Any) -> Any:
    return _work[-1](job)
