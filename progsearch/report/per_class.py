"""The scores of each class with the schedule that `export` picks, as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

from progsearch.numerals import counted
from progsearch.report.data import StudyReport
from progsearch.report.rows import Row, rules
from progsearch.study.results import ClassScores
from progsearch.study.trial import Trial

CLASS_COLUMNS = ("f1", "f1 of full", "precision", "recall", "support")
"""The columns of a built-in type's table, the most important first."""


@dataclass(frozen=True)
class ByClass:
    """The scores of each class with one schedule, and with full fine-tuning.

    Attributes:
        trial: The schedule.
        scores: Its mean scores.
        full: Those of full fine-tuning; None if they are not known, or if it is the schedule.
        about: What was measured, in a sentence.
    """

    trial: Trial
    scores: ClassScores
    full: ClassScores | None
    about: str


def by_class(report: StudyReport, *, confirmed: bool = False) -> ByClass | None:
    """The scores of each class with the schedule that `export` picks.

    Args:
        report: The study.
        confirmed: Whether to take the runs on new seeds; the schedule is then the first one that
            was confirmed and is no reference, if the one that is picked was not confirmed.

    Returns:
        None without such scores: the task type has none, or an earlier version did not keep them.
    """
    if not report.front or not (names := rules(report)):
        return None
    picked = report.pick(names[-1])
    if not confirmed:
        seeds = counted(picked.n_seeds, "seed")
        other = report.full.per_class if report.full else None
        return _of(report, picked, picked.per_class, other, seeds)
    if report.confirmed is None:
        return None
    found = {schedule.trial.number: schedule for schedule in report.confirmed.schedules}
    searched = (number for number, schedule in found.items() if schedule.name is None)
    chosen = found.get(picked.number) or found.get(next(searched, picked.number))
    full = found.get(report.full.number) if report.full else None
    if chosen is None:
        return None
    seeds = counted(chosen.summary.n, "new seed")
    return _of(report, chosen.trial, chosen.per_class, full.per_class if full else None, seeds)


def _of(
    report: StudyReport,
    trial: Trial,
    scores: ClassScores | None,
    full: ClassScores | None,
    seeds: str,
) -> ByClass | None:
    if scores is None:
        return None
    if report.full is None or trial.number == report.full.number:
        full = None
    about = f"each class with {trial.label}, on {report.split} data, mean of {seeds}"
    return ByClass(trial, scores, full, about)


def class_rows(scores: ClassScores, full: ClassScores | None = None) -> list[Row]:
    """One row per class, with the F1 score of full fine-tuning beside its own."""
    shown = []
    for name, values in scores.items():
        cells = {key: _cell(value) for key, value in values.items()}
        if full is not None and "f1" in full.get(name, {}):
            cells["f1 of full"] = _cell(full[name]["f1"])
        ordered = {key: cells[key] for key in (*CLASS_COLUMNS, *cells) if key in cells}
        shown.append(Row(name, (), on_front=False, baseline=False, cells=ordered))
    return shown


def _cell(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
