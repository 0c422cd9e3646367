"""Checks that what a journal says of a study fits together, before it is used."""

from __future__ import annotations

import optuna

from progsearch.study.info import StudyInfo
from progsearch.study.metadata import info_of, sessions_of, trials_of


def check_sound(study: optuna.Study) -> None:
    """Read every trial once.

    A line of a journal that is missing, or was edited, otherwise ends in an error somewhere in a
    report.

    Raises:
        KeyError, ValueError, TypeError: Something is missing or has another form.
        ConfigError: As in `info_of`.
    """
    metric = info_of(study).metric
    has_info = any(name in study.user_attrs for name in StudyInfo.model_fields)
    sessions_of(study)
    for trial in trials_of(study):
        attributes = trial.frozen.user_attrs
        if not isinstance(attributes.get("reason", ""), str):
            raise TypeError("the reason of a trial is no text")
        # Tests and tools may make studies without what a search knows.
        if has_info:
            _ = trial.key, trial.run, trial.costs, trial.stages, trial.segments
        _ = trial.timings, trial.metrics, trial.tries, trial.peak_memory
        if has_info and any(metric not in record.metrics for record in trial.records):
            raise KeyError(metric)
        if trial.is_complete and len(trial.values) != len(study.directions):
            raise ValueError("a trial has other objectives than its study")
