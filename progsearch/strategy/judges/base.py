"""What a judge is: it says on the way whether a trial is worth going on with."""

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
        costs: The objectives but for the metric, all minimised and known before the training.
        metrics: The metric by the fraction of the run after which it was measured.
        final: The metric at the run's end; None while it runs and where it was stopped.
        allowed: Whether it keeps to the limits of the study.
    """

    number: int
    costs: tuple[float, ...]
    metrics: Mapping[float, float]
    final: float | None = None
    allowed: bool = True

    def at(self, fraction: float) -> float | None:
        """The metric after a fraction of the run, between two measurements by a straight line.

        None before the first measurement and behind the last.
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
class Promise:
    """What training is expected to add to the front, per second.

    Attributes:
        trials: Of going on with each of some trials.
        waiting: The most that a point has which waits to be trained.
    """

    trials: Sequence[float]
    waiting: float


def _unknown(trials: Sequence[Curve]) -> Promise | None:
    return None


@dataclass(frozen=True)
class Evidence:
    """What a judge is told beside the trials that it decides about.

    Attributes:
        others: All other trials of the study that have been measured.
        least_metric: What a trial must reach to be of use, where there is such a limit.
        promises: Tells the promise of some trials; None where too little is known, or no point
            waits.
    """

    others: Sequence[Curve] = ()
    least_metric: float | None = None
    promises: Callable[[Sequence[Curve]], Promise | None] = _unknown


class Judge(ABC):
    """Decides about trials by their costs, which are known, and their metrics so far.

    A metric that is not finite never reaches a judge: such a trial has failed.

    Attributes:
        within_epochs: Whether it judges where stages end within epochs, too.
    """

    within_epochs = True

    @abstractmethod
    def stops(self, trial: Curve, evidence: Evidence) -> bool:
        """Whether ``trial``, measured just now, should be stopped.

        Args:
            trial: A running trial; not its last measurement.
            evidence: What else is known.
        """

    def takes_up(self, stopped: Sequence[Curve], evidence: Evidence) -> int | None:
        """The number of a stopped trial that should go on now; None where there is none.

        Args:
            stopped: Trials that this judge has stopped and that nothing went on from since.
            evidence: What else is known.
        """
        return None
