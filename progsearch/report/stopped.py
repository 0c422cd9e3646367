"""Trials that were stopped early: when, and their last metric.

Their metrics are of unfinished training, so they are shown but never compared with results.
"""

from __future__ import annotations

from progsearch.report.counts import waits
from progsearch.report.data import StudyReport
from progsearch.study.trial import Trial


def last_metric(report: StudyReport, trial: Trial) -> float | None:
    """The task's metric at the trial's last evaluation; None if it had none."""
    return trial.records[-1].metrics[report.metric] if trial.records else None


def when(trial: Trial) -> str:
    """At which epoch the trial was stopped: ``epoch 1 of 3``."""
    if not trial.records:
        return "its first epoch"
    return f"epoch {trial.records[-1].epoch:.3g} of {trial.run.training.epochs}"


def in_short(report: StudyReport, trial: Trial) -> str:
    """A short description: ``stopped early at epoch 1 of 3: accuracy 0.7100``.

    A run of a reference that may go on is not called stopped.
    """
    metric = last_metric(report, trial)
    if metric is None:
        return f"stopped early in {when(trial)}"
    value = f"{report.metric.replace('_', ' ')} {metric:.4f}"
    if waits(report, trial):
        return f"waits at {when(trial)} for its other learning rates: {value}"
    return f"stopped early at {when(trial)}: {value}"
