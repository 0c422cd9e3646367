"""Collapsed trials in words and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progsearch.numerals import learning_rate
from progsearch.study.collapse import Collapse, collapse_of
from progsearch.study.trial import Trial

if TYPE_CHECKING:
    from progsearch.report.data import StudyReport

TAG = "collapsed"


def of(report: StudyReport, trial: Trial) -> Collapse | None:
    """From when on a trial was collapsed; None if it was not at its end."""
    return collapse_of(trial, report.metric, report.majority)


def full_collapsed(report: StudyReport) -> bool:
    """Whether full fine-tuning collapsed, so that a gain over it means nothing."""
    return report.full is not None and of(report, report.full) is not None


def in_short(report: StudyReport, trial: Trial) -> str:
    """From when on a trial was collapsed, at which rate and why; empty if it is not."""
    found = of(report, trial)
    if found is None:
        return ""
    rate = learning_rate(trial.run.training.learning_rate)
    why = _reason(report, trial, found)
    return f"collapsed from epoch {found.epoch:.3g} at learning rate {rate}: {why}"


def as_data(report: StudyReport, trial: Trial) -> dict[str, Any]:
    """The trial as JSON-able data: how it ended, and ``collapsed``, None if it is not."""
    found = of(report, trial)
    return {
        **trial.to_dict(),
        "outcome": trial.outcome,
        "collapsed": found
        and {
            "epoch": found.epoch,
            "learning_rate": trial.run.training.learning_rate,
            "reason": _reason(report, trial, found),
        },
    }


def _reason(report: StudyReport, trial: Trial, found: Collapse) -> str:
    if not found.constant:
        return f"{report.metric.replace('_', ' ')} is that of the constant answer"
    seeds = f" with at least one of {trial.n_seeds} seeds" if trial.n_seeds > 1 else ""
    return f"predictions are constant{seeds}"
