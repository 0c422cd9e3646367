"""Detects that a metric does not tell the trials of a study apart."""

from __future__ import annotations

from collections.abc import Sequence

from progsearch.study.trial import Trial


def indistinct(trials: Sequence[Trial], metric: str) -> str | None:
    """A sentence if two or more results all have the same metric, such as an F1 of 0.

    Args:
        trials: The trials with a result.
        metric: The metric's name.
    """
    values = {trial.values[0] for trial in trials}
    if len(trials) < 2 or len(values) > 1:
        return None
    return (
        f"The metric cannot tell schedules apart: all {len(trials)} trials with a result have "
        f"{metric.replace('_', ' ')} {values.pop():.4f}."
    )
