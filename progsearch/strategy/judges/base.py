"""The base of judges, which decide whether a running trial continues."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Curve:
    """A trial as a judge sees it.

    Attributes:
        number: The trial's.
        costs: The objectives except the metric, all minimised and known before the training,
            but for forgetting: while a trial runs, the least that it is likely to forget.
        metrics: The task's metric by the fraction of the run after which it was measured.
        final: The metric at the run's end; None while it runs and if it was stopped.
        allowed: Whether it satisfies the limits of the study.
    """

    number: int
    costs: tuple[float, ...]
    metrics: Mapping[float, float]
    final: float | None = None
    allowed: bool = True

    def at(self, fraction: float) -> float | None:
        """The metric after a fraction of the run, interpolated linearly between two measurements.

        None before the first measurement and after the last.
        """
        if fraction in self.metrics:
            return self.metrics[fraction]
        points = sorted(self.metrics.items())
        for (left, before), (right, after) in itertools.pairwise(points):
            if left < fraction < right:
                return before + (after - before) * (fraction - left) / (right - left)
        return None

    @property
    def reached(self) -> float:
        """The last fraction of its run at which it was measured."""
        return max(self.metrics, default=0.0)

    def is_no_dearer_than(self, other: Curve) -> bool:
        """Whether it costs at most as much as ``other`` in every respect."""
        return all(a <= b for a, b in zip(self.costs, other.costs, strict=True))


@dataclass(frozen=True)
class ExpectedGains:
    """What training is expected to add to the hypervolume of the front, per second.

    Attributes:
        trials: For continuing each of some trials.
        waiting: The largest value of any waiting candidate.
    """

    trials: Sequence[float]
    waiting: float


def _unknown(trials: Sequence[Curve]) -> ExpectedGains | None:
    return None


@dataclass(frozen=True)
class Evidence:
    """The evidence for a judge, apart from the trials that it decides about.

    Attributes:
        others: The other trials that finished or were stopped; running ones are not among them.
        least_metric: The metric that a trial must reach, if there is such a limit.
        gains: Gives the expected gains of some trials; None if too little is known, or no
            candidate waits.
    """

    others: Sequence[Curve] = ()
    least_metric: float | None = None
    gains: Callable[[Sequence[Curve]], ExpectedGains | None] = _unknown


class Judge(ABC):
    """Decides about trials by their costs, which are known, and their metrics so far.

    A metric that is not finite never reaches a judge: such a trial has failed.

    Attributes:
        within_epochs: Whether it judges at the ends of stages inside epochs, too.
    """

    within_epochs = True

    @abstractmethod
    def stops(self, trial: Curve, evidence: Evidence) -> bool:
        """Whether ``trial``, measured just now, should be stopped.

        Args:
            trial: A running trial; not its last measurement.
            evidence: What else is known.
        """

    def resumes(self, stopped: Sequence[Curve], evidence: Evidence) -> int | None:
        """The number of a stopped trial that should continue now, or None.

        Args:
            stopped: Trials that this judge has stopped and that no other has continued.
            evidence: What else is known.
        """
        return None
