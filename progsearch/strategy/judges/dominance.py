"""Stops a trial whose place on the front has become implausible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from progsearch.strategy.judges.base import Curve, Evidence, Judge

# Finished trials needed to predict the rest of a curve: a line through n trials leaves n - 2
# degrees of freedom for its error.
_FEWEST = 4
# A trial continues unless it would have to exceed its prediction by this many standard deviations.
_DEVIATIONS = 1.5


class Dominance(Judge):
    """Compares with the finished trials that cost no more.

    The cost of a trial is known, and its final metric is predicted from the current one. The trial
    is stopped if the prediction is below the best trial that costs no more, by more than the
    error of such predictions in this study. The prediction is a least squares line, fitted to
    the finished trials, from the metric at the same fraction of the run to the final one; its
    residuals include the noise of the metric.

    If a stage ends inside an epoch, other trials were rarely measured at that step: their metric
    there is interpolated linearly.

    Args:
        deviations: Standard deviations of the error that a trial is given.
    """

    def __init__(self, deviations: float = _DEVIATIONS) -> None:
        self._deviations = deviations

    def stops(self, trial: Curve, evidence: Evidence) -> bool:
        """See `Judge`."""
        rivals = [
            other.final
            for other in evidence.others
            if other.final is not None and other.allowed and other.is_no_dearer_than(trial)
        ]
        if evidence.least_metric is not None:
            rivals.append(evidence.least_metric)
        predicted = predict(trial, evidence.others)
        if not rivals or predicted is None:
            return False
        mean, deviation = predicted
        return mean + self._deviations * deviation < max(rivals)


def predict(trial: Curve, others: Sequence[Curve]) -> tuple[float, float] | None:
    """The metric at the end of ``trial``: its mean and standard deviation.

    None if too few finished trials were measured at this point.
    """
    fraction = trial.reached
    pairs = [
        (now, other.final)
        for other in others
        if other.final is not None and (now := other.at(fraction)) is not None
    ]
    if len(pairs) < _FEWEST:
        return None
    now, final = np.asarray(pairs).T
    centre = float(now.mean()) if np.ptp(now) > 0 else float(now[0])
    spread = now - centre
    squares = float(spread @ spread)
    offset = trial.metrics[fraction] - centre
    if squares == 0 and offset != 0:
        return None
    slope = float(spread @ (final - final.mean())) / squares if squares > 0 else 0.0
    # The prediction for a leading trial stays close to its current lead.
    slope = min(1.0, max(0.0, slope))
    errors = final - final.mean() - slope * spread
    variance = float(errors @ errors) / (len(pairs) - 2)
    doubt = 1 / len(pairs) + (offset**2 / squares if squares > 0 else 0.0)
    return float(final.mean()) + slope * offset, float(np.sqrt(variance * (1 + doubt)))
