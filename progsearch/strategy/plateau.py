"""Detects that a search no longer finds better schedules."""

from __future__ import annotations

from collections.abc import Sequence

from progsearch.study.dominance import corner, directions, hypervolume
from progsearch.study.front import full_of, usable
from progsearch.study.trial import Trial


def is_plateau(
    trials: Sequence[Trial],
    recent: Sequence[Trial],
    objectives: Sequence[str],
    majority: float | None,
) -> bool:
    """Whether the hypervolume would be the same without the ``recent`` trials.

    Args:
        trials: Those that may be chosen, the recent ones among them.
        recent: The last ones that ended.
        objectives: Names of a trial's values, the task's metric first.
        majority: The metric of a constant prediction, if it is defined.
    """
    numbers = {trial.number for trial in recent}
    found = usable(trials)
    values = [trial.values for trial in found]
    before = [trial.values for trial in found if trial.number not in numbers]
    if not before:
        return False
    full = full_of(found)
    reference = corner(values, objectives, majority, None if full is None else full.values)
    ways = directions(len(reference))
    return hypervolume(values, reference, ways) <= hypervolume(before, reference, ways)
