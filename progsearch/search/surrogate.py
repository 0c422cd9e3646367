"""Foretells the metric of runs that were not trained from those that were."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from progsearch.search.features import Vector

Values = npt.NDArray[np.float64]

# What the hyperparameters are chosen from, by marginal likelihood: a few well spread values hold
# up better than an optimiser on the dozen trials that a search begins with.
_LENGTHS = (0.3, 0.6, 1.2, 2.4)
_RATE_FACTORS = (1.0, 2.0, 4.0)
_NOISES = (0.02, 0.1, 0.3)


@dataclass(frozen=True)
class Observation:
    """A metric that a run came to, or would have come to.

    Attributes:
        features: Of the run.
        metric: Its metric.
        deviation: The standard deviation of what is not known of it beside the noise that every
            metric has: 0 where it was measured.
    """

    features: Vector
    metric: float
    deviation: float = 0.0


class Surrogate:
    """A Gaussian process over runs (Rasmussen and Williams 2006, chapters 2 and 5).

    Matern kernel of smoothness 5/2; length scales, a weight of the learning rate and the noise
    of a measurement are those of a grid with the highest marginal likelihood.

    Args:
        observations: At least two.
    """

    def __init__(self, observations: Sequence[Observation]) -> None:
        points = np.array([o.features for o in observations])
        metrics = np.array([o.metric for o in observations])
        self._mean, self._scale = float(metrics.mean()), float(metrics.std()) or 1.0
        extra = np.array([o.deviation for o in observations]) / self._scale
        targets = (metrics - self._mean) / self._scale
        best: tuple[float, float, GaussianProcessRegressor] | None = None
        for factor in _RATE_FACTORS:
            weighted = _weighted(points, factor)
            for length in _LENGTHS:
                for noise in _NOISES:
                    process = GaussianProcessRegressor(
                        ConstantKernel(1.0) * Matern(length, nu=2.5),
                        alpha=noise + extra**2,
                        optimizer=None,
                    )
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", ConvergenceWarning)
                        process.fit(weighted, targets)
                    likelihood = process.log_marginal_likelihood_value_
                    if best is None or likelihood > best[0]:
                        best = likelihood, factor, process
        assert best is not None, "the grid is not empty"
        _, self._factor, self._process = best

    def foretell(self, features: Sequence[Vector]) -> tuple[Values, Values]:
        """Mean and standard deviation of the metric of each run, without measurement noise."""
        mean, deviation = self._process.predict(
            _weighted(np.array(features), self._factor), return_std=True
        )
        return self._mean + self._scale * mean, self._scale * deviation


def _weighted(points: Values, factor: float) -> Values:
    weights = np.ones(points.shape[1])
    weights[-1] = factor  # the learning rate comes last
    return points * weights
