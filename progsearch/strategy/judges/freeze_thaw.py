"""Trials that have begun compete with points that have not (Swersky et al., arXiv 1406.3896)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from progsearch.strategy.judges.base import Curve, Evidence, Judge

# The most that one of a thousand points promises is the most too hopeful of a thousand figures,
# so a trial in hand that promises half as much is preferred.
_SHARE = 0.5


class FreezeThaw(Judge):
    """Gives a trial up for a point whose training promises more for its time.

    At each measurement the rest of the trial is weighed like a whole new one: by what it is
    expected to add to the front, per second that it takes. Below a share of what the best point
    that waits promises, it is stopped; a stopped trial that comes to lie above that share is
    taken up again before a new one begins. So the training goes, piece by piece, where the
    search believes it is worth most; freeze-thaw Bayesian optimisation asks the same of runs
    of unknown length and weighs them by their entropy.

    Args:
        share: Of the most that a waiting point promises.
    """

    def __init__(self, share: float = _SHARE) -> None:
        self._share = share

    def stops(self, trial: Curve, evidence: Evidence) -> bool:
        """See `Judge`."""
        promise = evidence.promises([trial])
        return promise is not None and promise.trials[0] < self._share * promise.waiting

    def takes_up(self, stopped: Sequence[Curve], evidence: Evidence) -> int | None:
        """The one that promises most, if that is enough."""
        promise = evidence.promises(stopped)
        if promise is None:
            return None
        best = int(np.argmax(promise.trials))
        return (
            stopped[best].number if promise.trials[best] > self._share * promise.waiting else None
        )
