"""Trials as pandas tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from progsearch.report import collapsed
from progsearch.report.confirmation import Confirmed, ConfirmedSchedule
from progsearch.report.data import StudyReport
from progsearch.report.formatting import in_words
from progsearch.report.statistics import Difference
from progsearch.study.trial import Trial
from progsearch.tasks.types.causal_lm import AT_END

if TYPE_CHECKING:
    from pandas import DataFrame

_COLUMNS = (
    "name",
    "state",
    "on_front",
    "metric",
    "standard_error",
    "seeds",
    "to_full",
    "updated_parameters",
    "predicted_memory",
    "flops",
    "seconds",
    "peak_memory",
    "learning_rate",
    "method",
    "schedule",
    "collapsed",
    "continues",
    "repeats",
    "reason",
)
# Whole numbers of which some may be missing.
_COUNTS = ("seeds", "predicted_memory", "peak_memory", "continues", "repeats")
_NUMBERS = ("metric", "standard_error", "to_full", "flops", "seconds")


def trials_frame(report: StudyReport, trials: Sequence[Trial]) -> DataFrame:
    """Trials as a table; `progsearch.Study.trials` explains its columns."""
    from pandas import DataFrame, Index

    params = dict.fromkeys(f"params_{name}" for trial in trials for name in trial.params)
    at_end = [name for name in AT_END if any(name in trial.metrics for trial in trials)]
    frame = DataFrame(
        [_row(report, trial) for trial in trials],
        columns=[*_COLUMNS, *at_end, *params],
        index=Index([trial.number for trial in trials], dtype=int, name="trial"),
    )
    kinds = dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys((*_NUMBERS, *at_end), float)
    return frame.astype(kinds)


def _row(report: StudyReport, trial: Trial) -> dict[str, Any]:
    usable = trial.is_usable
    full = None if collapsed.full_collapsed(report) else report.full
    return {
        "name": trial.name,
        "state": state_of(trial),
        "on_front": any(other.number == trial.number for other in report.front),
        "metric": trial.values[0] if usable else None,
        "standard_error": trial.estimate.error if usable and trial.estimate else None,
        "seeds": trial.n_seeds if usable else None,
        "to_full": trial.values[0] - full.values[0] if usable and full else None,
        "updated_parameters": trial.updated_parameters,
        "predicted_memory": trial.costs.peak_memory,
        "flops": trial.costs.flops,
        "seconds": trial.timings and trial.timings.run,
        "peak_memory": trial.peak_memory or None,
        "learning_rate": trial.run.training.learning_rate,
        "method": trial.run.method.name,
        "schedule": in_words(trial.stages, report.n_blocks),
        "collapsed": usable and collapsed.of(report, trial) is not None,
        "continues": trial.continues,
        "repeats": trial.repeats,
        "reason": None if trial.is_complete else trial.reason,
        **{name: trial.mean_of(name) for name in AT_END},
        **{f"params_{name}": value for name, value in trial.params.items()},
    }


def state_of(trial: Trial) -> str:
    """How a trial ended, in a word or two."""
    if trial.is_complete:
        return "complete"
    if trial.is_stopped:
        return "stopped early"
    if trial.is_interrupted:
        return trial.outcome
    return "failed" if trial.is_failed else "running"


def confirmed_frame(confirmed: Confirmed) -> DataFrame:
    """Schedules on new seeds; `progsearch.Study.confirmed` explains the columns."""
    from pandas import DataFrame, Index

    numbers = [schedule.trial.number for schedule in confirmed.schedules]
    return DataFrame(
        [_confirmed_row(schedule) for schedule in confirmed.schedules],
        index=Index(numbers, dtype=int, name="trial"),
    )


def _confirmed_row(schedule: ConfirmedSchedule) -> dict[str, Any]:
    summary, test = schedule.summary, schedule.test
    low, high = summary.interval or (None, None)
    return {
        "name": schedule.name,
        "seeds": summary.n,
        "metric": summary.mean,
        "sd": summary.sd,
        "low": low,
        "high": high,
        **_difference("to_full", schedule.to_full),
        "p": schedule.corrected_p,
        "verdict": schedule.verdict,
        "updated_parameters": schedule.updated_parameters,
        "test": test and test.mean,
        "test_sd": test and test.sd,
        **_difference("test_to_full", schedule.test_to_full),
        **{name: schedule.others[name] for name in AT_END if name in schedule.others},
    }


def _difference(name: str, found: Difference | None) -> dict[str, float | None]:
    low, high = (found.interval if found else None) or (None, None)
    return {name: found.mean if found else None, f"{name}_low": low, f"{name}_high": high}
