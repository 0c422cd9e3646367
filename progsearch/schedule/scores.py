"""Block scores as the choice of blocks needs them: checked, and in the order of freezing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from progsearch.errors import ScheduleError


def by_contribution(scores: Sequence[float]) -> list[int]:
    """The blocks in the order in which they are frozen: of equal scores the lower one first."""
    return sorted(range(len(scores)), key=lambda block: scores[block])


def checked_scores(scores: Sequence[float] | None, n_blocks: int) -> Sequence[float]:
    """The scores, one finite number per block.

    Raises:
        ScheduleError: They are missing, not finite or of another number.
    """
    if scores is None:
        raise ScheduleError("this spec needs block scores; give one contribution per block")
    if len(scores) != n_blocks:
        raise ScheduleError(f"{len(scores)} block scores do not fit {n_blocks} blocks")
    if not all(math.isfinite(score) for score in scores):
        raise ScheduleError("block scores must be finite numbers")
    return scores
