"""Trials that were stopped early: when, and what they had reached.

Their metrics are of unfinished training, so they are shown, and never compared with results.
"""

from __future__ import annotations

from optuna.trial import FrozenTrial

from progsearch.report.data import StudyReport


def last_metric(report: StudyReport, trial: FrozenTrial) -> float | None:
    """The task's metric at the trial's last evaluation; None where it had none."""
    records = trial.user_attrs.get("records")
    return float(records[-1]["metrics"][report.metric]) if records else None


def when(trial: FrozenTrial) -> str:
    """At which epoch the trial was stopped: ``epoch 1 of 3``."""
    records = trial.user_attrs.get("records")
    if not records:
        return "its first epoch"
    return f"epoch {records[-1]['epoch']:.3g} of {trial.user_attrs['run']['training']['epochs']}"


def in_short(report: StudyReport, trial: FrozenTrial) -> str:
    """What became of the trial: ``stopped at epoch 1 of 3: accuracy 0.7100``."""
    metric = last_metric(report, trial)
    if metric is None:
        return f"stopped in {when(trial)}: {trial.user_attrs['reason']}"
    return f"stopped at {when(trial)}: {report.metric.replace('_', ' ')} {metric:.4f}"
