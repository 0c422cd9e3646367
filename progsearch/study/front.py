"""The front of a study and the choice of one trial from it.

A study's first objective is the task's metric, maximised; the others are costs, minimised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from progsearch.config.limits import Limits
from progsearch.errors import StudyError
from progsearch.study.trial import Trial

Direction = Literal["maximize", "minimize"]
Values = Sequence[float | None] | None

_NO_LIMITS = Limits()
_DROP = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(pt)?")


def directions(n_objectives: int) -> list[Direction]:
    """The directions of a study's objectives: the metric is maximised, costs are minimised."""
    costs: list[Direction] = ["minimize"] * (n_objectives - 1)
    return ["maximize", *costs]


def non_dominated(values: Sequence[Values], directions: Sequence[Direction]) -> list[int]:
    """The indices, ascending, of the points that no other point beats.

    A point is beaten by one that is at least as good on every objective and better on one, and
    by an earlier point with the same values. Points without values, or with a None, a NaN or an
    infinity among them, are left out.

    Args:
        values: One point per entry, in the order of ``directions``.
        directions: ``maximize`` or ``minimize`` per objective.
    """
    points = [(index, _as_costs(point, directions)) for index, point in enumerate(values)]
    finite = [(index, point) for index, point in points if point is not None]
    return [
        index
        for index, point in finite
        if not any(
            all(a <= b for a, b in zip(other, point, strict=True))
            and (other != point or earlier < index)
            for earlier, other in finite
            if earlier != index
        )
    ]


def corner(
    values: Sequence[Sequence[float]],
    objectives: Sequence[str],
    majority: float | None,
    full: Sequence[float] | None,
) -> list[float]:
    """The point that a study's hypervolume is measured from.

    The metric of a constant prediction, else the worst one seen; all parameters updated at every
    step; for every other cost what full fine-tuning took, else the highest one seen.

    Args:
        values: The points of a study, at least one.
        objectives: What a point's values are, the metric first.
        majority: The metric of a constant prediction, where it has one.
        full: The values of full fine-tuning, where they are known.
    """
    seen = list(zip(*values, strict=True))
    costs = seen if full is None else [(value,) for value in full]
    return [
        min(seen[0]) if majority is None else majority,
        *(
            1.0 if objective == "updated_parameters" else max(costs[index])
            for index, objective in enumerate(objectives)
            if index
        ),
    ]


def hypervolume(
    values: Sequence[Values], reference: Sequence[float], directions: Sequence[Direction]
) -> float:
    """The volume between a reference point and the points' front, exact for any dimension.

    A point that is not better than the reference on every objective adds nothing. The volume is
    cut into slices along the last objective (HSO: While, Hingston, Barone and Huband, "A faster
    algorithm for calculating hypervolume", IEEE TEC 10(1), 2006).

    Args:
        values: The points, in the order of ``directions``; unusable ones are left out.
        reference: The corner that every counted point beats.
        directions: ``maximize`` or ``minimize`` per objective.
    """
    corner = _as_costs(reference, directions)
    if corner is None:
        raise ValueError(f"the reference point {list(reference)} must be finite")
    inside = []
    for index in non_dominated(values, directions):
        point = _as_costs(values[index], directions)
        if point is not None and all(a < b for a, b in zip(point, corner, strict=True)):
            inside.append(point)
    return _volume(inside, corner)


def _volume(points: list[tuple[float, ...]], corner: tuple[float, ...]) -> float:
    if not points:
        return 0.0
    if len(corner) == 1:
        return corner[0] - min(point[0] for point in points)
    points = sorted(points, key=lambda point: point[-1])
    ends = [*(point[-1] for point in points[1:]), corner[-1]]
    return sum(
        (end - point[-1]) * _volume([p[:-1] for p in points[: count + 1]], corner[:-1])
        for count, (point, end) in enumerate(zip(points, ends, strict=True))
        if end > point[-1]
    )


def knee(values: Sequence[Sequence[float]], directions: Sequence[Direction]) -> int:
    """The index of the front point where giving up more of one objective stops paying.

    Each objective is scaled to [0, 1] over the front, 0 being its best. The knee is the point
    farthest below the line (with three objectives: the plane) through the points that are best
    on one objective and worst on the others (Das, "On characterizing the knee of the Pareto
    curve", Structural Optimization 18, 1999); with equal distances the one best on the first
    objective.

    Args:
        values: The front's points, finite, at least one.
        directions: ``maximize`` or ``minimize`` per objective.
    """
    points = [point for value in values if (point := _as_costs(value, directions)) is not None]
    lowest = [min(axis) for axis in zip(*points, strict=True)]
    highest = [max(axis) for axis in zip(*points, strict=True)]

    def height(point: tuple[float, ...]) -> float:
        # Parallel to the line, so the farthest below it has the least sum of scaled values.
        return sum(
            (x - low) / (high - low) if high > low else 0.0
            for x, low, high in zip(point, lowest, highest, strict=True)
        )

    return min(range(len(points)), key=lambda i: (round(height(points[i]), 9), points[i]))


def usable(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that ran to their end and have a finite value for every objective."""
    return [trial for trial in trials if trial.is_usable]


def front_of(trials: Sequence[Trial]) -> list[Trial]:
    """The trials, baselines among them, that no other one beats: best metric first."""
    complete = usable(trials)
    if not complete:
        return []
    indices = non_dominated([t.values for t in complete], directions(len(complete[0].values)))
    return sorted((complete[i] for i in indices), key=lambda trial: -trial.values[0])


def pick(trials: Sequence[Trial], how: str, limits: Limits = _NO_LIMITS) -> Trial:
    """One trial, chosen by a rule or named.

    Args:
        trials: All trials of a study.
        how: ``best``: the front's best metric. ``knee``: see `knee`. ``cheapest@0.01`` or
            ``cheapest@1pt``: the cheapest trial whose metric is at most 0.01 (one percentage
            point) below that of the baseline ``full``, or of the best trial where that baseline
            is missing. Else a trial's number or a baseline's name.
        limits: What the rules choose from must keep to; a trial that is named need not.

    Raises:
        StudyError: ``how`` is none of these, no trial has finished or keeps to the limits, or
            the trial that is named does not exist or has no result.
    """
    complete = usable(trials)
    if not complete:
        raise StudyError(
            "no trial of this study has finished with a result, so there is nothing to pick from; "
            "`progsearch report` shows why trials failed"
        )
    is_rule = how in ("best", "knee") or how.startswith("cheapest")
    allowed = [trial for trial in complete if trial.keeps_to(limits)]
    if not is_rule:
        return _named(trials, how)
    if not allowed:
        raise StudyError(
            f"no trial of this study has {limits}, so no rule can pick one; search on with "
            "`progsearch resume STUDY --budget N`, or pick a trial by its number"
        )
    front = front_of(allowed)
    if how == "best":
        return front[0]
    if how == "knee":
        return front[knee([t.values for t in front], directions(len(front[0].values)))]
    full = next((t for t in complete if t.name == "full"), front[0])
    return _cheapest(allowed, full, how)


def drop_of(text: str) -> float | None:
    """How much of a metric ``0.01`` or ``1pt`` (one percentage point) is; None for other words."""
    match = _DROP.fullmatch(text)
    return None if match is None else float(match[1]) * (0.01 if match[2] else 1.0)


def _cheapest(trials: Sequence[Trial], full: Trial, how: str) -> Trial:
    drop = drop_of(how.removeprefix("cheapest@"))
    if drop is None:
        raise StudyError(
            f"{how!r} does not say how much may be lost; write cheapest@0.01 or cheapest@1pt"
        )
    # The slack is for values that are written 0.80 and held as 0.7999999.
    enough = [t for t in trials if t.values[0] >= full.values[0] - drop - 1e-9]
    if not enough:
        raise StudyError(
            f"no trial within the limits loses at most {drop:g} to full fine-tuning; allow a "
            "larger drop"
        )
    return min(enough, key=lambda t: (_costs(t), -t.values[0], t.number))


def _costs(trial: Trial) -> list[float]:
    """What a trial costs: the study's own cost objectives, else its updated parameters."""
    return trial.values[1:] or [trial.updated_parameters]


def _named(trials: Sequence[Trial], how: str) -> Trial:
    names = {t.name: t for t in trials if t.name is not None}
    if how.isdecimal():
        trial = next((t for t in trials if t.number == int(how)), None)
        if trial is None:
            numbers = [t.number for t in trials]
            raise StudyError(
                f"there is no trial {how}; this study has trials {min(numbers)} to {max(numbers)}"
            )
    elif how in names:
        trial = names[how]
    else:
        raise StudyError(
            f"{how!r} picks no trial; give knee, best, cheapest@DROP (such as cheapest@0.01 or "
            f"cheapest@1pt), a trial's number or a baseline ({', '.join(names) or 'none here'})"
        )
    if trial not in usable(trials):
        reason = trial.reason or "it has not finished"
        raise StudyError(
            f"trial {trial.number} is {trial.state.name} and has no result ({reason}); "
            "pick another one"
        )
    return trial


def _as_costs(point: Values, directions: Sequence[Direction]) -> tuple[float, ...] | None:
    """The point with every objective minimised; None where a value is missing or not finite."""
    if point is None or not all(v is not None and math.isfinite(v) for v in point):
        return None
    return tuple(
        -v if direction == "maximize" else v
        for v, direction in zip(point, directions, strict=True)
        if v is not None
    )
