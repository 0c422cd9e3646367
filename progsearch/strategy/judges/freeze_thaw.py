"""Stops trials that are expected to gain less than a new one (Swersky et al., arXiv 1406.3896)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from progsearch.strategy.judges.base import Curve, Evidence, Judge

# The largest of a thousand predictions tends to be too high, so a running trial is preferred if
# its expected gain is at least half as large.
_SHARE = 0.5


class FreezeThaw(Judge):
    """Stops a trial if a waiting candidate is expected to gain more per second of training.

    At each measurement the rest of the trial is valued like a new trial: by its expected gain for
    the front per second. The trial is stopped if this is below a share of the best candidate's
    value. A stopped trial that later exceeds that share is resumed before a new one begins. So
    the training time goes to the runs with the highest expected gain. Freeze-thaw Bayesian
    optimisation makes the same choice for runs of unknown length, by entropy.

    Args:
        share: The share of the highest expected gain of any waiting candidate.
    """

    def __init__(self, share: float = _SHARE) -> None:
        self._share = share

    def stops(self, trial: Curve, evidence: Evidence) -> bool:
        """See `Judge`."""
        gains = evidence.gains([trial])
        return gains is not None and gains.trials[0] < self._share * gains.waiting

    def resumes(self, stopped: Sequence[Curve], evidence: Evidence) -> int | None:
        """The stopped trial with the highest expected gain, if that exceeds the share."""
        gains = evidence.gains(stopped)
        if gains is None:
            return None
        best = int(np.argmax(gains.trials))
        return stopped[best].number if gains.trials[best] > self._share * gains.waiting else None
