"""Dominance, hypervolume and knee of points, as functions of numbers.

The first objective is the task's metric, maximised; the others are costs, minimised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Direction = Literal["maximize", "minimize"]
Values = Sequence[float | None] | None


def directions(n_objectives: int) -> list[Direction]:
    """The directions of a study's objectives: the metric is maximised, costs are minimised."""
    costs: list[Direction] = ["minimize"] * (n_objectives - 1)
    return ["maximize", *costs]


def non_dominated(values: Sequence[Values], directions: Sequence[Direction]) -> list[int]:
    """The indices, ascending, of the points that are not dominated.

    A point is dominated by one that is at least as good in every objective and better in one, and
    by an earlier point with the same values. Points without values, or with None, NaN or infinity
    among them, are left out.

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
    """The reference point of a study's hypervolume.

    The metric of a constant prediction, else the worst one seen; all parameters updated in every
    step; for every other cost that of full fine-tuning, else the highest one seen, but to forget
    nothing if that is more.

    Args:
        values: The points of a study, at least one.
        objectives: The names of a point's values, the metric first.
        majority: The metric of a constant prediction, if it is defined.
        full: The values of full fine-tuning, if they are known.
    """
    seen = list(zip(*values, strict=True))
    costs = seen if full is None else [(value,) for value in full]
    return [
        min(seen[0]) if majority is None else majority,
        *(_most(objective, costs[index]) for index, objective in enumerate(objectives) if index),
    ]


def _most(objective: str, costs: Sequence[float]) -> float:
    match objective:
        case "updated_parameters":
            return 1.0
        case "forgetting":
            # Training may make a general text more likely, by full fine-tuning most of all.
            return max(0.0, *costs)
        case _:
            return max(costs)


def hypervolume(
    values: Sequence[Values], reference: Sequence[float], directions: Sequence[Direction]
) -> float:
    """The volume between a reference point and the points' front, exact for any dimension.

    A point that is not better than the reference in every objective adds nothing. The volume is
    cut into slices along the last objective (HSO: While, Hingston, Barone and Huband, "A faster
    algorithm for calculating hypervolume", IEEE TEC 10(1), 2006).

    Args:
        values: The points, in the order of ``directions``; points without finite values are left
            out.
        reference: The reference point; only points that are better in every objective count.
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
    """The index of the front's knee: beyond it, small gains in one objective cost much in another.

    Each objective is scaled to [0, 1] over the front; 0 is best. The knee is the point farthest
    below the line (with three objectives: the plane) through the points that are best in one
    objective and worst in the others (Das, "On characterizing the knee of the Pareto curve",
    Structural Optimization 18, 1999). If distances are equal, it is the one that is best in the
    first objective.

    Args:
        values: The front's points, finite, at least one.
        directions: ``maximize`` or ``minimize`` per objective.
    """
    points = [point for value in values if (point := _as_costs(value, directions)) is not None]
    lowest = [min(axis) for axis in zip(*points, strict=True)]
    highest = [max(axis) for axis in zip(*points, strict=True)]

    def height(point: tuple[float, ...]) -> float:
        # The point farthest below the line is the one with the smallest sum of scaled values.
        return sum(
            (x - low) / (high - low) if high > low else 0.0
            for x, low, high in zip(point, lowest, highest, strict=True)
        )

    return min(range(len(points)), key=lambda i: (round(height(points[i]), 9), points[i]))


def _as_costs(point: Values, directions: Sequence[Direction]) -> tuple[float, ...] | None:
    """The point with every objective minimised; None if a value is missing or not finite."""
    if point is None or not all(v is not None and math.isfinite(v) for v in point):
        return None
    return tuple(
        -v if direction == "maximize" else v
        for v, direction in zip(point, directions, strict=True)
        if v is not None
    )
