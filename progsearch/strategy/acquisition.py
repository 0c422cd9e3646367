"""Predicts what further runs add to the front."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Values = npt.NDArray[np.float64]

# Avoids a division by zero for a metric without uncertainty.
_LEAST_DEVIATION = 1e-12


def learned(deviations: Values, noise: Values) -> Values:
    """By how much one more run is expected to move what is known of a metric.

    The standard deviation of the mean after the run, seen from before it: the run is noisy, so
    it moves the mean by less than the uncertainty (Frazier, Powell and Dayanik, "The
    knowledge-gradient policy for correlated normal beliefs", INFORMS J. Computing 21(4), 2009).

    Args:
        deviations: The uncertainty of each mean, shape ``(n_points,)``.
        noise: The standard deviation of a run, shape ``(n_points,)``.
    """
    total = np.maximum(np.hypot(deviations, noise), _LEAST_DEVIATION)
    return np.asarray(deviations**2 / total)


def repeat_improvement(
    means: Values,
    deviations: Values,
    costs: Values,
    corner: Sequence[float],
) -> Values:
    """By how much the hypervolume of the front is expected to grow by repeating each trial.

    A repeat may raise a trial's mean, or lower it so that another takes its place; what is known
    before it is what the front would be without it. So it is worth something only where it may
    change the front.

    Args:
        means: Of each trial's metric, shape ``(n_trials,)``.
        deviations: See `learned`, shape ``(n_trials,)``.
        costs: Shape ``(n_trials, n_costs)``.
        corner: The reference of the hypervolume.

    Returns:
        Shape ``(n_trials,)``.
    """
    gains = []
    for index in range(len(means)):
        others = np.arange(len(means)) != index
        front = [(float(m), *c) for m, c in zip(means[others], costs[others], strict=True)]
        mine = slice(index, index + 1)
        after, before = (
            expected_improvement(means[mine], deviation, costs[mine], front, corner)[0]
            for deviation in (deviations[mine], np.zeros(1))
        )
        gains.append(after - before)
    return np.maximum(0.0, gains)


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
    # Without costs there is one cell, which is everything.
    cells = list(itertools.product(*lows))
    grid = np.array(cells).reshape(len(cells), len(unit))
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
