"""Stops a trial whose place on the front has become implausible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from progsearch.strategy.judges.base import Curve, Evidence, Judge

# Finished trials from which the rest of a curve is predicted: of these, two tell of its error.
_FEWEST = 4
# A trial goes on unless it would have to be this many standard deviations better than predicted.
_DEVIATIONS = 1.5


class Dominance(Judge):
    """Compares with the finished trials that cost no more.

    What a trial costs is known. If its metric at the end, predicted from the metric so far, lies
    below the best of the trials that cost no more, by more than such predictions have been wrong
    in this study, the trial could only be beaten, and is stopped. The prediction is a least
    squares line from the metrics at the same fraction of the run to those at the end, through
    the trials that are finished; its errors hold the noise of the metric.

    If a stage ends within an epoch, others were hardly measured at that very step: their metric
    there is read off the straight line between two measurements.

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

    None if too few other trials tell of the way from here to the end.
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
    # A trial that leads will hardly lose by that, nor do more than keep its lead.
    slope = min(1.0, max(0.0, slope))
    errors = final - final.mean() - slope * spread
    variance = float(errors @ errors) / (len(pairs) - 2)
    doubt = 1 / len(pairs) + (offset**2 / squares if squares > 0 else 0.0)
    return float(final.mean()) + slope * offset, float(np.sqrt(variance * (1 + doubt)))
