"""Collapsed trials: those whose predictions are constant at the end of what they trained."""

from __future__ import annotations

from dataclasses import dataclass

from progsearch.study.results import Record
from progsearch.study.trial import Trial

# A constant has no correlation; it counts as 0.
_CORRELATIONS = ("matthews_correlation", "pearson", "spearman")
# Metrics are shares of a few hundred rows, so a smaller difference is a rounding error.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Collapse:
    """From when on a trial predicted a constant.

    Attributes:
        epoch: Epochs done at the first evaluation from which on all were collapsed.
        constant: Whether the predictions were seen to be constant; otherwise only the metric is
            that of the constant answer.
    """

    epoch: float
    constant: bool


def constant_answer(metric: str, majority: float | None) -> float | None:
    """The metric of the best constant answer, 0 for correlations; None if it is not defined.

    Args:
        metric: The metric's name.
        majority: The metric of a constant prediction, if the task type defines it.
    """
    return 0.0 if majority is None and metric in _CORRELATIONS else majority


def is_constant_answer(value: float, metric: str, majority: float | None) -> bool:
    """Whether a value of the metric is exactly the constant answer's."""
    answer = constant_answer(metric, majority)
    return answer is not None and abs(value - answer) <= _EQUAL


def is_collapsed(record: Record, metric: str, majority: float | None) -> bool:
    """Whether a run was collapsed at a measurement; arguments as for `collapse_of`."""
    value = record.metrics.get(metric)
    is_answer = value is not None and is_constant_answer(value, metric, majority)
    return record.constant or is_answer


def collapse_of(trial: Trial, metric: str, majority: float | None) -> Collapse | None:
    """Whether a trial is collapsed at its end, or at the point where it was stopped.

    A mean over several seeds is collapsed if the predictions of any seed are constant.

    Args:
        trial: The trial.
        metric: The study's metric.
        majority: The metric of a constant prediction, if it is defined.

    Returns:
        None if it is not collapsed, has no evaluation or has not ended.
    """
    first: Record | None = None
    for record in reversed(trial.records):
        if not is_collapsed(record, metric, majority):
            break
        first = record
    return None if first is None else Collapse(first.epoch, trial.records[-1].constant)
