"""Tells when a search no longer finds better schedules."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from progsearch.report.front import directions, hypervolume, usable


def is_plateau(
    trials: Sequence[FrozenTrial], recent: Sequence[FrozenTrial], majority: float | None
) -> bool:
    """Whether the hypervolume would be the same without the ``recent`` trials.

    Args:
        trials: Those that may be chosen, the recent ones among them.
        recent: The last ones that ended.
        majority: The metric of a constant prediction, from which the volume is measured; where
            there is none, the worst one seen.
    """
    numbers = {trial.number for trial in recent}
    found = usable(trials)
    before = [trial.values for trial in found if trial.number not in numbers]
    if not before:
        return False
    seen = list(zip(*(trial.values for trial in found), strict=True))
    corner = [min(seen[0]) if majority is None else majority, *(max(costs) for costs in seen[1:])]
    ways = directions(len(corner))
    return hypervolume([t.values for t in found], corner, ways) <= hypervolume(
        before, corner, ways
    )
