"""Trials that have begun compete with candidates (Swersky et al., arXiv 1406.3896)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from progsearch.strategy.judges.base import Curve, Evidence, Judge

# The largest of a thousand predictions is the most optimistic of them, so a trial that has begun
# is preferred if it is expected to gain half as much.
_SHARE = 0.5


class FreezeThaw(Judge):
    """Stops a trial for a candidate whose training is expected to gain more for its time.

    At each measurement the rest of the trial is weighed like a whole new one: by what it is
    expected to add to the front, per second that it takes. Below a share of what the best
    candidate is expected to add, it is stopped; a stopped trial that comes to lie above that
    share is resumed before a new one begins. So the training goes, piece by piece, to where the
    search believes it is worth most; freeze-thaw Bayesian optimisation asks the same of runs
    of unknown length and weighs them by their entropy.

    Args:
        share: Of the most that a waiting candidate is expected to gain.
    """

    def __init__(self, share: float = _SHARE) -> None:
        self._share = share

    def stops(self, trial: Curve, evidence: Evidence) -> bool:
        """See `Judge`."""
        gains = evidence.gains([trial])
        return gains is not None and gains.trials[0] < self._share * gains.waiting

    def resumes(self, stopped: Sequence[Curve], evidence: Evidence) -> int | None:
        """The one that is expected to gain most, if that is enough."""
        gains = evidence.gains(stopped)
        if gains is None:
            return None
        best = int(np.argmax(gains.trials))
        return stopped[best].number if gains.trials[best] > self._share * gains.waiting else None
