"""Predicts what the training of points adds to the front, for its time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from progsearch.strategy.features import Vector
from progsearch.strategy.surrogate import Observation, Surrogate

Values = npt.NDArray[np.float64]

# With fewer measurements no point can be preferred to another.
_FEWEST = 4
# Avoids a division by zero for a metric without uncertainty.
_LEAST_DEVIATION = 1e-12


def improvement_per_second(
    points: Sequence[Vector],
    costs: Sequence[tuple[float, ...]],
    seconds: Sequence[float],
    observations: Sequence[Observation],
    front: Sequence[tuple[float, ...]],
    corner: Sequence[float],
) -> Values | None:
    """The expected improvement of each point per second; None with too few observations.

    The improvement is that of the hypervolume (expected hypervolume improvement: Emmerich,
    Giannakoglou and Naujoks, IEEE TEC 10(4), 2006). Since the costs of a point are known, only
    its metric is uncertain: see `expected_improvement`. Dividing by the time is EI per second
    (Snoek, Larochelle and Adams, arXiv 1206.2944, section 3.2).

    Args:
        points: `features` of each point.
        costs: Its objectives except the metric, minimised.
        seconds: The time its training takes, without stored steps.
        observations: What is known of other points.
        front: Metric and costs of the trials on the front.
        corner: The reference of the hypervolume.

    Returns:
        Shape ``(n_points,)``.
    """
    if len(observations) < _FEWEST:
        return None
    means, deviations = Surrogate(observations).predict(points)
    expected = expected_improvement(means, deviations, np.asarray(costs), front, corner)
    return np.asarray(expected / np.asarray(seconds))


def expected_improvement(
    means: Values,
    deviations: Values,
    costs: Values,
    front: Sequence[tuple[float, ...]],
    corner: Sequence[float],
) -> Values:
    """By how much the hypervolume is expected to grow with each of some points.

    The front has a height at every vector of costs: the best metric among trials that cost no
    more. A point with known costs adds the volume between that height and its own metric, over
    all costs from its own to the corner's. The front's costs cut that range into cells of one
    height each, so the expectation is the sum over cells of volume times expected improvement on
    the height, which a normal metric has in closed form (Jones, Schonlau and Welch, "Efficient
    global optimization", J. Global Optimization 13, 1998, equation 15).

    Args:
        means: Of each point's metric, shape ``(n_points,)``.
        deviations: Its standard deviations, shape ``(n_points,)``.
        costs: Shape ``(n_points, n_costs)``.
        front: Metric and costs of the trials on the front.
        corner: The reference of the hypervolume.

    Returns:
        Shape ``(n_points,)``, in units of the corner's costs, so that large numbers such as FLOPs
        count like fractions.
    """
    unit = np.array([cost or 1.0 for cost in corner[1:]])
    highest = np.array(corner[1:]) / unit
    known = np.array(front, dtype=float).reshape(-1, len(corner))
    metrics, known_costs = known[:, 0], known[:, 1:] / unit
    edges = np.minimum(known_costs, highest).T
    lows = [np.concatenate([[-np.inf], np.unique(axis)]) for axis in edges]
    grid = np.stack(np.meshgrid(*lows, indexing="ij"), axis=-1).reshape(-1, len(unit))
    below = (known_costs[None] <= grid[:, None]).all(axis=-1)
    heights = np.where(below, metrics, corner[0]).max(axis=1, initial=corner[0])
    volumes = np.ones((len(means), 1))
    for low, cost, end in zip(lows, (costs / unit).T, highest, strict=True):
        high = np.append(low[1:], end)
        widths = np.maximum(0.0, high - np.maximum(low, cost[:, None]))
        volumes = (volumes[:, :, None] * widths[:, None]).reshape(len(means), -1)
    gap = means[:, None] - heights
    spread = np.maximum(deviations, _LEAST_DEVIATION)[:, None]
    scaled = gap / spread
    density = np.exp(-0.5 * scaled**2) / math.sqrt(2 * math.pi)
    return np.asarray((volumes * (gap * ndtr(scaled) + spread * density)).sum(axis=1))
