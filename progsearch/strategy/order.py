"""The order of runs that must all be made."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from progsearch.config import Recipe
from progsearch.strategy.candidates import Candidate


def next_in_order(
    runs: Sequence[Candidate],
    times: Sequence[float],
    recipe: Recipe,
    trained: Container[str],
    running: Iterable[tuple[Candidate, int]],
) -> int:
    """The index of the run that goes first if all of ``runs`` are to be made.

    The longest goes first, so that the workers end together. If the recipe caches the output of
    frozen blocks, it should be computed once: of the runs that continue from the same step, the
    one with the fewest frozen blocks goes first, since the others can start from its output.
    Runs that need the output that a running one is computing come later.

    Args:
        runs: At least one.
        times: Remaining training time of each, in any unit.
        recipe: What runs share.
        trained: The keys of the segments that need no training.
        running: Runs that are being made, and the steps that each has made.
    """
    every = range(len(runs))
    if not (recipe.reuse and recipe.prefix_cache):
        return max(every, key=lambda index: times[index])

    def place(run: Candidate, done: int = 0) -> tuple[tuple[str | None, str], int]:
        start, frozen = run.next_step(trained, done)
        # At the beginning the blocks are the pre-trained ones, whatever else differs.
        return (start, run.run.method.cost_key), frozen

    places = [place(run) for run in runs]
    computing = [place(other, done) for other, done in running]
    free = [
        index
        for index, (start, frozen) in enumerate(places)
        if not any(start == theirs and 0 < fewer <= frozen for theirs, fewer in computing)
    ] or every
    longest = max(free, key=lambda index: times[index])
    start, frozen = places[longest]
    beside = [i for i in free if places[i][0] == start and 0 < places[i][1] < frozen]
    return min(beside, key=lambda index: (places[index][1], -times[index]), default=longest)
