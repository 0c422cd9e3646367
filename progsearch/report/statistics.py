"""Statistics of means and differences over seeds: intervals, a paired test, its correction.

Pure functions of numbers. If the values show no spread, there is neither an interval nor a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import chdtri, nctdtr, stdtr, stdtrit

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.8
# Browne's choice: the number of seeds is then sufficient in this share of cases.
_SURE_OF_SPREAD = 0.8
# A larger number of seeds is not reported, since nobody trains that many.
_MOST_SEEDS = 1_000
_RESAMPLES = 9_999
# Smaller differences are rounding errors: metrics are shares of a few hundred examples.
_EQUAL = 1e-9

Interval = tuple[float, float]
Verdict = Literal["non-inferior", "inferior", "inconclusive"]


@dataclass(frozen=True)
class Summary:
    """Values over seeds.

    Attributes:
        n: Number of values.
        mean: Their mean.
        sd: Their standard deviation (n - 1 in the denominator); None for a single value.
        interval: Bootstrap interval of the mean; None for a single value, or if all are the same.
    """

    n: int
    mean: float
    sd: float | None
    interval: Interval | None


def summary(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and a 95 % interval of the mean of at least one value.

    The interval is a percentile bootstrap interval (Efron and Tibshirani, "An introduction to the
    bootstrap", 1993, ch. 13) with a fixed seed. With few values it is too narrow: with five
    normal values it contains the true mean in 84 % of cases.
    """
    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) < 2:
        return Summary(len(array), mean, None, None)
    if np.ptp(array) < _EQUAL:
        return Summary(len(array), mean, 0.0, None)
    draws = np.random.default_rng(0).integers(0, len(array), (_RESAMPLES, len(array)))
    low, high = np.quantile(array[draws].mean(axis=1), _tails(CONFIDENCE))
    return Summary(len(array), mean, float(array.std(ddof=1)), (float(low), float(high)))


@dataclass(frozen=True)
class Difference:
    """The difference between two schedules, paired by seed.

    Attributes:
        n: Number of seeds that both have.
        mean: Mean difference.
        interval: 95 % t interval of the mean difference; None for a single difference, or if all
            are the same.
        standard_error: Of the mean difference; None if there is no interval.
    """

    n: int
    mean: float
    interval: Interval | None
    standard_error: float | None = None

    def p_non_inferior(self, margin: float) -> float | None:
        """One-sided paired t-test of the hypothesis that the difference is at most -margin.

        Args:
            margin: The largest acceptable loss, above 0.

        Returns:
            The p-value, small if the difference is clearly above -margin. None if the differences
            show no spread.
        """
        if self.standard_error is None:
            return None
        t = (self.mean + margin) / self.standard_error
        return float(stdtr(self.n - 1, -t))

    def seeds_to_tell(self, margin: float, n_tests: int) -> int | None:
        """The number of seeds needed for 80 % power if the true difference is zero.

        With this number, the test of `p_non_inferior` rejects with probability `POWER` if the true
        difference is 0. The level is `ALPHA` with Bonferroni's correction, the worst case of
        Holm's (Julious, "Sample sizes for clinical trials with Normal data", Statistics in
        Medicine 23, 2004). The spread over few seeds is often underestimated, so its upper 80 %
        confidence limit is used (Browne, "On the use of a pilot sample for sample size
        determination", Statistics in Medicine 14, 1995).

        Args:
            margin: The largest acceptable loss, above 0.
            n_tests: Number of schedules tested, including this one.

        Returns:
            At least 2; None if there is no spread, or if 1,000 seeds are not enough.
        """
        if self.standard_error is None:
            return None
        n = np.arange(2, _MOST_SEEDS + 1)
        sd = self.standard_error * self.n**0.5
        largest_sd = sd * ((self.n - 1) / chdtri(self.n - 1, _SURE_OF_SPREAD)) ** 0.5
        shift = margin / largest_sd * n**0.5
        power = 1 - nctdtr(n - 1, shift, stdtrit(n - 1, 1 - ALPHA / n_tests))
        enough = np.flatnonzero(power >= POWER)
        return int(n[enough[0]]) if len(enough) else None


def difference(values: Sequence[float], others: Sequence[float]) -> Difference:
    """The paired difference ``values`` minus ``others``; at least one pair."""
    array = np.asarray(values, dtype=float) - np.asarray(others, dtype=float)
    n, mean = len(array), float(array.mean())
    if n < 2 or np.ptp(array) < _EQUAL:
        return Difference(n, mean, None)
    error = float(array.std(ddof=1)) / n**0.5
    reach = float(stdtrit(n - 1, _tails(CONFIDENCE)[1])) * error
    return Difference(n, mean, (mean - reach, mean + reach), error)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values with Holm's correction, which controls the chance of any false finding.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6(2), 1979. None means no test and does not count.
    """
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        corrected[index] = largest
    return corrected


def verdict(found: Difference, margin: float, corrected_p: float | None) -> Verdict:
    """The verdict from a difference and the corrected p-value of its test.

    ``non-inferior``: the test rejects a loss of the margin or more. ``inferior``: the whole
    interval is below -margin. ``inconclusive``: neither.
    """
    if corrected_p is not None and corrected_p < ALPHA:
        return "non-inferior"
    if found.interval is not None and found.interval[1] < -margin:
        return "inferior"
    return "inconclusive"


def _tails(confidence: float) -> tuple[float, float]:
    return (1 - confidence) / 2, (1 + confidence) / 2
