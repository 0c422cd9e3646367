"""What runs forget: measured at their end alone, expected before."""

from __future__ import annotations

from statistics import fmean

from progsearch.strategy.features import Vector
from progsearch.strategy.surrogate import Observation, Surrogate

# With fewer measurements nothing is expected of other runs.
_FEWEST = 4


class Forgetting:
    """The forgetting of measured runs, and a bound for others.

    Nothing is known of it before the end of a run, so a run is compared with the least that it
    is likely to forget: a judge must not stop one that may turn out to forget less.
    """

    def __init__(self) -> None:
        self._measured: list[Observation] = []
        self._surrogate: Surrogate | None = None

    def add(self, trial: int, vector: Vector, value: float) -> None:
        """A run was measured.

        Args:
            trial: The number of its trial, the same for runs with other seeds.
            vector: `features` of the run.
            value: What it forgot.
        """
        self._measured.append(Observation(vector, value, trial=trial))
        self._surrogate = None

    def of(self, trial: int) -> float | None:
        """The mean of a trial's runs; None if it has no measured one."""
        values = [found.metric for found in self._measured if found.trial == trial]
        return fmean(values) if values else None

    def least(self, vector: Vector) -> float:
        """What a run forgets at least, give or take: a standard deviation below its expectation.

        With few measurements, the least of them.
        """
        if len(self._measured) < _FEWEST:
            return min((found.metric for found in self._measured), default=0.0)
        if self._surrogate is None:
            self._surrogate = Surrogate(self._measured)
        (mean,), (deviation,) = self._surrogate.predict([vector])
        return float(mean - deviation)
