"""Predicts the task metric of untrained runs from trained ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.spatial.distance import cdist

from progsearch.strategy.features import Vector

Values = npt.NDArray[np.float64]

# Grid of hyperparameters, chosen by marginal likelihood. With the dozen trials that a search
# begins with, a few well spread values are more robust than an optimiser.
_LENGTHS = (0.3, 0.6, 1.2, 2.4)
_RATE_FACTORS = (1.0, 2.0, 4.0)
_NOISES = (0.02, 0.1, 0.3)


@dataclass(frozen=True)
class Observation:
    """The final task metric of a run, measured or predicted.

    Attributes:
        features: Of the run.
        metric: Its metric.
        deviation: The standard deviation of its uncertainty, without the noise that every metric
            has: 0 if it was measured.
    """

    features: Vector
    metric: float
    deviation: float = 0.0


@dataclass(frozen=True)
class _Fit:
    """A process with its hyperparameters, conditioned on the observations."""

    likelihood: float
    length: float
    factor: float
    root: Values
    weights: Values


class Surrogate:
    """A Gaussian process over runs (Rasmussen and Williams 2006, algorithm 2.1).

    Matern kernel of smoothness 5/2; length scale, weight of the learning rate and noise of a
    measurement are those of a small grid with the highest marginal likelihood.

    Args:
        observations: At least two.
    """

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._points = np.array([o.features for o in observations])
        metrics = np.array([o.metric for o in observations])
        self._mean, self._scale = float(metrics.mean()), float(metrics.std()) or 1.0
        targets = (metrics - self._mean) / self._scale
        extra = (np.array([o.deviation for o in observations]) / self._scale) ** 2
        fits = []
        for factor in _RATE_FACTORS:
            distances = _distances(self._points, self._points, factor)
            for length in _LENGTHS:
                kernel = _matern(distances / length)
                fits += [
                    _fit(kernel + np.diag(noise + extra), targets, length, factor)
                    for noise in _NOISES
                ]
        self._fit = max(fits, key=lambda fit: fit.likelihood)

    def predict(self, features: Sequence[Vector]) -> tuple[Values, Values]:
        """Mean and standard deviation of the metric of each run, without measurement noise."""
        fit = self._fit
        distances = _distances(self._points, np.array(features), fit.factor)
        kernel = _matern(distances / fit.length)
        known = solve_triangular(fit.root, kernel, lower=True)
        deviation = np.sqrt(np.maximum(0.0, 1.0 - (known**2).sum(axis=0)))
        return self._mean + self._scale * (fit.weights @ kernel), self._scale * deviation


def _fit(covariance: Values, targets: Values, length: float, factor: float) -> _Fit:
    root = cholesky(covariance, lower=True)
    weights = cho_solve((root, True), targets)
    likelihood = -0.5 * float(targets @ weights) - float(np.log(np.diag(root)).sum())
    return _Fit(likelihood, length, factor, root, weights)


def _matern(distance: Values) -> Values:
    scaled = np.sqrt(5.0) * distance
    return np.asarray((1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled))


def _distances(first: Values, second: Values, factor: float) -> Values:
    weights = np.ones(first.shape[1])
    weights[-1] = factor  # the learning rate comes last
    return np.asarray(cdist(first * weights, second * weights))
