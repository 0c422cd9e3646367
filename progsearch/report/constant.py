"""The constant answer beside the front, and how much one row of the validation data is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from progsearch.config import Rows
from progsearch.report.sampling_error import sampling_error
from progsearch.study.collapse import constant_answer
from progsearch.study.trial import Trial

if TYPE_CHECKING:
    from progsearch.report.data import StudyReport

ERRORS = 2.0
"""By how many standard errors a result must beat the constant answer."""


@dataclass(frozen=True)
class Constant:
    """The constant answer (the most frequent class, the mean) and what does not beat it.

    Attributes:
        metric: The task's metric, in words.
        value: Its metric.
        front: The number of places on the front.
        unbeaten: The places on the front that are not better by two standard errors.
    """

    metric: str
    value: float
    front: int
    unbeaten: tuple[Trial, ...]

    def __str__(self) -> str:
        """A sentence; empty if the whole front beats it."""
        if not self.unbeaten:
            return ""
        labels = ", ".join(trial.label for trial in self.unbeaten)
        which = (
            "no place on the front beats"
            if len(self.unbeaten) == self.front
            else f"{len(self.unbeaten)} of {self.front} places on the front ({labels}) "
            f"{'does' if len(self.unbeaten) == 1 else 'do'} not beat"
        )
        answer = f"the constant answer ({self.metric} {self.value:.4f})"
        return f"{which} {answer} by {ERRORS:g} standard errors"

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        numbers = [trial.number for trial in self.unbeaten]
        return {"value": self.value, "unbeaten": numbers, "sentence": str(self) or None}


def constant_of(report: StudyReport) -> Constant | None:
    """The constant answer beside the front; None if it has no score or the front is empty."""
    answer = constant_answer(report.metric, report.majority)
    if answer is None or not report.front:
        return None
    unbeaten = tuple(
        trial
        for trial in report.front
        if trial.values[0] <= answer + ERRORS * error_over(report, trial, answer)
    )
    return Constant(report.metric.replace("_", " "), answer, len(report.front), unbeaten)


def error_over(report: StudyReport, trial: Trial, answer: float) -> float:
    """The standard error of a trial's metric: of its sample or of its estimate, the larger.

    The sample counts only if the size of the validation data is known.
    """
    understood = report.recipe.understood
    split = None if understood is None else understood.splits.get(report.split)
    value = trial.values[0]
    sample = 0.0 if split is None else sampling_error(report.metric, [answer, value], split)
    return max(sample, 0.0 if trial.estimate is None else trial.estimate.error)


def sample_in_words(report: StudyReport) -> str | None:
    """What ± beside a metric leaves out; None if it is not shown or the sample is not known."""
    understood = report.recipe.understood
    split = None if understood is None else understood.splits.get(report.split)
    values = [trial.values[0] for trial in report.front if trial.estimate is not None]
    if split is None or not split.rows or not values:
        return None
    error = sampling_error(report.metric, values, split)
    return (
        f"\N{PLUS-MINUS SIGN} is of seeds; another validation set would move all by about "
        f"{100 * error:.1f} points"
    )


def rows_of(report: StudyReport) -> Rows | None:
    """What the metric was measured on; None if that is not known."""
    understood = report.recipe.understood
    split = None if understood is None else understood.splits.get(report.split)
    if split is None or not split.rows:
        return None
    return Rows.of(report.split, split.rows, report.metric)
