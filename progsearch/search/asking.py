"""Chooses among drawn points the one whose training promises most for its time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from progsearch.report.front import directions, hypervolume
from progsearch.search.features import Vector
from progsearch.search.surrogate import Observation, Surrogate

# Fewer measurements say too little to prefer one point to another.
_FEWEST = 4
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(8)


def most_promising(
    points: Sequence[Vector],
    costs: Sequence[tuple[float, ...]],
    seconds: Sequence[float],
    observations: Sequence[Observation],
    front: Sequence[tuple[float, ...]],
    corner: Sequence[float],
) -> int:
    """The index of the point of most expected improvement per second.

    The improvement is that of the hypervolume (expected hypervolume improvement: Emmerich,
    Giannakoglou and Naujoks, IEEE TEC 10(4), 2006). Since the costs of a point are known, only
    its metric is uncertain, and the expectation is a sum over the nodes of a Gauss-Hermite
    quadrature. Dividing by the time is EI per second (Snoek, Larochelle and Adams, arXiv
    1206.2944, section 3.2). With hardly any observation it is the first point.

    Args:
        points: `features` of each point.
        costs: Its objectives but for the metric, minimised.
        seconds: What its training takes, steps that are stored left out.
        observations: What is known of other points.
        front: Metric and costs of the trials on the front.
        corner: The reference of the hypervolume.
    """
    if len(observations) < _FEWEST or len(points) == 1:
        return 0
    means, deviations = Surrogate(observations).foretell(points)
    ways = directions(len(corner))
    # Each cost as a share of the corner's, so that FLOPs do not drown the other objectives.
    unit = np.array([1.0, *(cost or 1.0 for cost in corner[1:])])
    known = [tuple(np.array(values) / unit) for values in front]
    reference = tuple(np.array(corner) / unit)
    before = hypervolume(known, reference, ways)

    def gain(metric: float, point_costs: tuple[float, ...]) -> float:
        new = tuple(np.array([metric, *point_costs]) / unit)
        return hypervolume([*known, new], reference, ways) - before

    expected = [
        sum(
            float(weight) * gain(float(mean + node * deviation), cost)
            for node, weight in zip(_NODES, _WEIGHTS, strict=True)
        )
        for mean, deviation, cost in zip(means, deviations, costs, strict=True)
    ]
    rates = [value / time for value, time in zip(expected, seconds, strict=True)]
    return int(np.argmax(rates))
