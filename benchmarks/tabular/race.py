"""One repeat of a strategy, and what many repeats come to."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from progsearch.report.front import hypervolume, non_dominated

from .strategies import Event

_RESAMPLES = 10_000
# Hypervolumes that differ by less are the same front, summed in another order.
_TOLERANCE = 1e-12

Point = tuple[float, float]


@dataclass
class Trace:
    """How the hypervolume of one repeat grew.

    Attributes:
        corner: The reference point: accuracy, updated parameters.
        steps: Steps trained at the end of each trial.
        trials: Trials begun by then.
        volumes: The hypervolume of the finished trials by then.
    """

    corner: Point
    steps: list[int] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)
    _front: list[Point] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """One more trial ended."""
        volume = self.volumes[-1] if self.volumes else 0.0
        if event.values is not None and not self._is_beaten(event.values):
            points = [*self._front, event.values]
            sides = ("maximize", "minimize")
            self._front = [points[index] for index in non_dominated(points, sides)]
            volume = hypervolume(self._front, self.corner, sides)
        self.steps.append(event.steps)
        self.trials.append(event.trials)
        self.volumes.append(volume)

    def _is_beaten(self, point: Point) -> bool:
        return any(a >= point[0] and b <= point[1] for a, b in self._front)

    def steps_to(self, volume: float) -> int | None:
        """Steps until the hypervolume was first as large; None where it never was."""
        index = bisect.bisect_left(self.volumes, volume - _TOLERANCE)
        return self.steps[index] if index < len(self.steps) else None

    def volume_at(self, steps: float) -> float:
        """The hypervolume after so many steps."""
        index = bisect.bisect_right(self.steps, steps)
        return self.volumes[index - 1] if index else 0.0

    def volume_after(self, trials: int) -> float:
        """The hypervolume when so many trials had begun and the next one had not."""
        index = bisect.bisect_right(self.trials, trials)
        return self.volumes[index - 1] if index else 0.0


def run(events: Iterator[Event], corner: Point, enough: Callable[[Trace], bool]) -> Trace:
    """Follow a strategy until it ends or the trace is ``enough``."""
    trace = Trace(corner)
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
