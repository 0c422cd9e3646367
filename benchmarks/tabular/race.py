"""One repeat of a strategy, and what many repeats come to."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from progsearch.study.dominance import directions, hypervolume, non_dominated

from .strategies import Event
from .table import Entry

_RESAMPLES = 10_000
# Hypervolumes that differ by less are the same front, summed in another order.
_TOLERANCE = 1e-12
_SIDES = directions(2)

Point = tuple[float, float]


@dataclass
class Trace:
    """How the hypervolume of one repeat grew.

    Attributes:
        corner: The reference point: accuracy, updated parameters.
        seed: The seed of the table that the strategy sees.
        other: A seed that it does not see; None where the table has no other.
        steps: Steps trained at the end of each trial.
        trials: What these trials come to in whole ones.
        volumes: The hypervolume of the finished trials by then.
        other_volumes: The hypervolume of their front as the other seed sees it: that of the
            schedules a user would have chosen from, without the luck that chose them.
    """

    corner: Point
    seed: int
    other: int | None = None
    steps: list[int] = field(default_factory=list)
    trials: list[float] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)
    other_volumes: list[float] = field(default_factory=list)
    _front: list[Entry] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """One more trial ended."""
        volume = self.volumes[-1] if self.volumes else 0.0
        other_volume = self.other_volumes[-1] if self.other_volumes else 0.0
        if event.entry is not None and not self._is_beaten(event.entry):
            entries = [*self._front, event.entry]
            kept = non_dominated([entry.values(self.seed) for entry in entries], _SIDES)
            self._front = [entries[index] for index in kept]
            volume = self._volume(self.seed)
            other_volume = 0.0 if self.other is None else self._volume(self.other)
        self.steps.append(event.steps)
        self.trials.append(event.trials)
        self.volumes.append(volume)
        self.other_volumes.append(other_volume)

    def _is_beaten(self, new: Entry) -> bool:
        accuracy, updated = new.values(self.seed)
        front = (entry.values(self.seed) for entry in self._front)
        return any(a >= accuracy and b <= updated for a, b in front)

    def _volume(self, seed: int) -> float:
        return hypervolume([entry.values(seed) for entry in self._front], self.corner, _SIDES)

    def steps_to(self, volume: float) -> int | None:
        """Steps until the hypervolume was first as large; None where it never was."""
        index = bisect.bisect_left(self.volumes, volume - _TOLERANCE)
        return self.steps[index] if index < len(self.steps) else None

    def volume_at(self, steps: float) -> float:
        """The hypervolume after so many steps."""
        index = bisect.bisect_right(self.steps, steps)
        return self.volumes[index - 1] if index else 0.0

    def volume_after(self, trials: int, *, other: bool = False) -> float:
        """The hypervolume when a budget of so many whole trials was spent."""
        index = bisect.bisect_right(self.trials, trials)
        volumes = self.other_volumes if other else self.volumes
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
