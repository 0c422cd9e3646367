"""Predicts the task metric of runs, and its uncertainty, from the runs that were measured."""

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
# The variance of the noise between seeds as a share of that of all metrics, at the usual learning
# rate; and the power of the rate with which its deviation grows.
_NOISES = (0.003, 0.01, 0.03, 0.1, 0.3)
_GROWTHS = (0.0, 0.5, 1.0)
# The share of the variance that is a trial's own.
_OWN = (0.0, 0.1, 0.3)
# Smaller differences of metrics, as a share of them, are rounding.
_LEAST_SPREAD = 1e-9
# With so many degrees of freedom of repeated runs, the noise is what they show.
_ENOUGH_REPEATS = 4


@dataclass(frozen=True)
class Observation:
    """The final task metric of a run, measured or predicted.

    Attributes:
        features: Of the run.
        metric: Its metric.
        deviation: The standard deviation of its uncertainty, without the noise that every metric
            has: 0 if it was measured.
        trial: The number of the trial, the same for its runs with other seeds; None if it is of
            another study.
    """

    features: Vector
    metric: float
    deviation: float = 0.0
    trial: int | None = None


@dataclass(frozen=True)
class _Fit:
    """A process with its hyperparameters, conditioned on the observations."""

    likelihood: float
    length: float
    factor: float
    own: float
    noise: float
    growth: float
    root: Values
    weights: Values


class Surrogate:
    """A Gaussian process over runs (Rasmussen and Williams 2006, algorithm 2.1).

    Matern kernel of smoothness 5/2, and an effect of each trial's own, since trials that train
    differently may have the same features. Length scale, weight of the learning rate, the share
    of trials' own effects and the noise are those of a small grid with the highest marginal
    likelihood. Runs of one trial differ only in their seed, so that their spread informs the
    noise. It may grow with the learning rate.

    Args:
        observations: At least two.
    """

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._points = np.array([o.features for o in observations])
        metrics = np.array([o.metric for o in observations])
        # Trials of other studies have numbers that occur nowhere else.
        self._trials = np.array(
            [-1 - n if o.trial is None else o.trial for n, o in enumerate(observations)]
        )
        self._mean, self._scale = float(metrics.mean()), float(metrics.std())
        if self._scale < _LEAST_SPREAD * max(1.0, abs(self._mean)):
            self._scale = 1.0
        rates = self._points[:, -1]
        self._usual_rate = float(np.median(rates))
        targets = (metrics - self._mean) / self._scale
        measured = np.array([o.deviation == 0 for o in observations])
        extra = (np.array([o.deviation for o in observations]) / self._scale) ** 2
        same = self._trials[:, None] == self._trials
        fits = []
        kernels = [
            (length, factor, _matern(_distances(self._points, self._points, factor) / length))
            for factor in _RATE_FACTORS
            for length in _LENGTHS
        ]
        # Equal rates tell nothing of a growth with the rate.
        for growth in _GROWTHS if np.ptp(rates) > 0 else _GROWTHS[:1]:
            shape = self._noise_shape(self._points, growth)
            known = _pooled(self._trials[measured], targets[measured], shape[measured])
            # Without repeats, a trial's own effect and its noise cannot be told apart.
            noises, owns = (
                (_NOISES, (0.0,)) if known is None else ((max(known, _NOISES[0]),), _OWN)
            )
            for length, factor, kernel in kernels:
                for own in owns:
                    smooth = (1 - own) * kernel + own * same
                    for noise in noises:
                        covariance = smooth + np.diag(noise * shape + extra)
                        fits.append(
                            _fit(covariance, targets, (length, factor, own, noise, growth))
                        )
        self._fit = max(fits, key=lambda fit: fit.likelihood)

    def predict(
        self, features: Sequence[Vector], trials: Sequence[int] | None = None
    ) -> tuple[Values, Values]:
        """Mean and standard deviation of the metric of each run, without the noise of seeds.

        Args:
            features: Of the runs.
            trials: Their trials' numbers; without them they are of new trials.
        """
        fit = self._fit
        distances = _distances(self._points, np.array(features), fit.factor)
        kernel = (1 - fit.own) * _matern(distances / fit.length)
        if trials is not None:
            kernel = kernel + fit.own * (self._trials[:, None] == np.array(trials))
        known = solve_triangular(fit.root, kernel, lower=True)
        deviation = np.sqrt(np.maximum(0.0, 1.0 - (known**2).sum(axis=0)))
        return self._mean + self._scale * (fit.weights @ kernel), self._scale * deviation

    def noise(self, features: Sequence[Vector]) -> Values:
        """The standard deviation of the metric of each run from seed to seed."""
        shape = self._noise_shape(np.array(features), self._fit.growth)
        return np.asarray(self._scale * np.sqrt(self._fit.noise * shape))

    def _noise_shape(self, points: Values, growth: float) -> Values:
        """The variance of the noise of each run over that at the usual learning rate."""
        # The last feature is the decimal logarithm of the learning rate.
        return np.asarray(10.0 ** (2 * growth * (points[:, -1] - self._usual_rate)))


def _pooled(trials: Values, targets: Values, shape: Values) -> float | None:
    """The variance of the runs of one trial, at the usual rate; None with few."""
    _, groups = np.unique(trials, return_inverse=True)
    total, freedom = 0.0, 0
    for group in range(groups.max(initial=-1) + 1):
        members = groups == group
        total += float(((targets[members] - targets[members].mean()) ** 2 / shape[members]).sum())
        freedom += int(members.sum()) - 1
    return total / freedom if freedom >= _ENOUGH_REPEATS else None


def _fit(
    covariance: Values, targets: Values, settings: tuple[float, float, float, float, float]
) -> _Fit:
    root = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    weights = cho_solve((root, True), targets, check_finite=False)
    likelihood = -0.5 * float(targets @ weights) - float(np.log(np.diag(root)).sum())
    return _Fit(likelihood, *settings, root, weights)


def _matern(distance: Values) -> Values:
    scaled = np.sqrt(5.0) * distance
    return np.asarray((1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled))


def _distances(first: Values, second: Values, factor: float) -> Values:
    weights = np.ones(first.shape[1])
    weights[-1] = factor  # the learning rate comes last
    return np.asarray(cdist(first * weights, second * weights))
