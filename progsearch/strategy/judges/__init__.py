"""Judges decide, at the end of an epoch or a stage, whether to stop a trial.

The recipe's ``scheduler:`` picks the judge.
"""

from __future__ import annotations

from progsearch.config import SchedulerName
from progsearch.strategy.judges.base import Curve, Evidence, ExpectedGains, Judge
from progsearch.strategy.judges.dominance import Dominance
from progsearch.strategy.judges.freeze_thaw import FreezeThaw
from progsearch.strategy.judges.mo_asha import MoAsha

__all__ = [
    "Curve",
    "Dominance",
    "Evidence",
    "ExpectedGains",
    "FreezeThaw",
    "Judge",
    "MoAsha",
    "make_judge",
]


def make_judge(name: SchedulerName) -> Judge | None:
    """The judge of that name; None if no trial is to be stopped."""
    match name:
        case "freeze-thaw":
            return FreezeThaw()
        case "dominance":
            return Dominance()
        case "mo-asha":
            return MoAsha()
        case "none":
            return None
