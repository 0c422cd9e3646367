"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from progsearch.report.confirmation import Confirmed
from progsearch.report.confirmation_rows import confirmed_rows
from progsearch.report.data import StudyReport
from progsearch.report.payback_rows import payback_rows
from progsearch.report.per_class import CLASS_COLUMNS, class_rows
from progsearch.report.rows import AT_END_TITLES, SCHEDULE, Row, rows
from progsearch.show.sheet import Sheet
from progsearch.study.results import ClassScores

if TYPE_CHECKING:
    from progsearch.engine.shortcuts.check import Finding

# The columns of the front after the task's metric and the other objectives, the most important
# first. The last ones are left out in a narrow terminal; the report has all.
_FRONT = (
    "to full",
    "updated",
    "method",
    "time",
    "seeds",
    "learning rate",
    "FLOPs",
    "memory",
)
_OBJECTIVES = {
    "updated_parameters": "updated",
    "flops": "FLOPs",
    "seconds": "time",
    "peak_memory": "memory",
    "forgetting": "forgetting",
}
MOST_CLASSES = 20
"""The most classes in a table of the terminal; the report and the JSON have all."""

_PAYBACK = ("updated", "time", "paid back in time", "FLOPs", "paid back in FLOPs", "memory")


def front_table(report: StudyReport, *, schedules: bool = True) -> Sheet:
    """The front, best metric first, then what it beats: the other references, dim.

    Args:
        report: The study.
        schedules: Whether each schedule stands on a line of its own below its row.
    """
    metric = report.metric.replace("_", " ")
    objectives = [_OBJECTIVES[name] for name in report.recipe.objectives[1:]]
    shown = rows(report)
    at_end = [name for name in AT_END_TITLES if any(name in row.cells for row in shown)]
    ranked = dict.fromkeys([metric, *objectives, *at_end, *_FRONT])
    sheet = Sheet("trial", list(ranked), 1 + len(objectives), left=("method",))
    _add(sheet, [row for row in shown if row.on_front], schedules=schedules)
    others = [row for row in shown if not row.on_front]
    if others:
        sheet.section("not on the front:")
        _add(sheet, others, schedules=schedules)
    return sheet


def _add(sheet: Sheet, shown: Sequence[Row], *, schedules: bool) -> None:
    for row in shown:
        cells = dict(row.cells)
        schedule = cells.pop(SCHEDULE)
        below = schedule if schedules else ""
        sheet.row(row.name, cells, tags=row.tags, below=below, dim=not row.on_front)


def payback_table(report: StudyReport) -> Sheet | None:
    """What one training with each front schedule saves; None if there is nothing to compare."""
    shown = payback_rows(report)
    if not shown:
        return None
    sheet = Sheet("trial", _PAYBACK, 1)
    for row in shown:
        sheet.row(row.name, row.cells)
    return sheet


def confirmed_table(report: StudyReport, confirmed: Confirmed) -> Sheet:
    """The schedules on new seeds: those on the front, then the others, dim."""
    metric = report.metric.replace("_", " ")
    ranked = ("verdict", metric, "to full", "updated", "test", "test to full", "p (Holm)", "seeds")
    sheet = Sheet("schedule", ranked, 3, left=("verdict",))
    shown = confirmed_rows(report, confirmed)
    for row in shown:
        if row.on_front:
            sheet.row(row.name, row.cells)
    if others := [row for row in shown if not row.on_front]:
        sheet.section("not on the front:")
        for row in others:
            sheet.row(row.name, row.cells, dim=True)
    return sheet


def class_table(scores: ClassScores, full: ClassScores | None = None) -> Sheet:
    """The scores of each class; of many classes only those with the lowest F1."""
    sheet = Sheet("class", CLASS_COLUMNS, 1)
    for name in _lowest(scores):
        (row,) = class_rows({name: scores[name]}, full)
        sheet.row(row.name, row.cells)
    return sheet


def _lowest(scores: ClassScores) -> list[str]:
    """The names of all classes, or of the `MOST_CLASSES` with the lowest F1 in its order."""
    if len(scores) <= MOST_CLASSES:
        return list(scores)
    return sorted(scores, key=lambda name: scores[name].get("f1", 0))[:MOST_CLASSES]


def shortcuts_table(findings: Sequence[Finding]) -> Sheet:
    """A row per shortcut: whether it is used, its differences, and below it why it is off."""
    sheet = Sheet("shortcut", ("used",), 3, left=("used",))
    for finding in findings:
        cells = {"used": "off" if finding.reason else "yes"}
        for name, value in (("outputs", finding.outputs), ("gradients", finding.gradients)):
            cells[f"{name} differ by"] = "" if value is None else f"{value:.1e}"
        sheet.row(finding.title, cells, below=finding.reason or "")
    return sheet


def scores_table(scores: Mapping[str, Sequence[float]]) -> Sheet:
    """A row per block, a column per contribution metric; none is left out."""
    titles = [name.replace("_", " ") for name in scores]
    sheet = Sheet("block", titles, len(titles))
    for block, row in enumerate(zip(*scores.values(), strict=True)):
        sheet.row(str(block), {t: f"{s:.4g}" for t, s in zip(titles, row, strict=True)})
    return sheet
