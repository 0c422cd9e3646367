"""Brings the sampler of a resumed search to where it was when the search stopped."""

from __future__ import annotations

from collections.abc import Sequence

from progsearch.config import Recipe
from progsearch.strategy.pool import CandidatePool
from progsearch.strategy.samplers import Draws
from progsearch.study.trial import Trial


def replay(
    trials: Sequence[Trial], recipe: Recipe, draws: Draws, pool: CandidatePool
) -> dict[int, int]:
    """Sample all points again, in the order in which one worker would have sampled them.

    So what a search samples depends on its seed and its trials, not on how often it was started.
    With several workers the order of their results is not known any more; the points that are
    sampled then are others, but as good.

    Args:
        trials: All trials of the study.
        recipe: Its recipe.
        draws: The source of points, not used so far.
        pool: Its candidates.

    Returns:
        For each sampled trial that was interrupted and not run again, by number: its point.
    """
    first: dict[int, int] = {}  # of the attempts at a trial
    for trial in trials:
        again = trial.number if trial.retry_of is None else trial.retry_of
        first[trial.number] = first.get(again, again)
    ends = {first[trial.number]: trial for trial in trials}
    waiting = {}
    known: set[str] = set()
    for trial in trials:
        is_sampled = bool(trial.params) and trial.repeats is None
        if is_sampled and first[trial.number] == trial.number:
            end, point = ends[trial.number], None
            if trial.continues is None:
                point = pool.take_again(known, trial.key)
            if point is None:
                point = draws.take(trial.frozen)
            if end.is_interrupted:
                waiting[end.number] = point
            elif end.is_complete:
                values = end.frozen.values
                draws.tell(point, values, recipe.limits.violations(values[0], end.costs))
            else:
                draws.throw_away(point)
        known.add(trial.key)
    return waiting
