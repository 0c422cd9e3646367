"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from progsearch.report.confirmation import Confirmed
from progsearch.report.confirmation_rows import confirmed_rows
from progsearch.report.data import StudyReport
from progsearch.report.payback_rows import payback_rows
from progsearch.report.rows import rows

if TYPE_CHECKING:
    from progsearch.engine.shortcuts.check import Finding

# Output to a file or a pipe is not cut to the width of a terminal.
_WIDTH_OF_FILES = 200


def console(file: TextIO | None = None) -> Console:
    """A console for ``file`` (by default stdout)."""
    made = Console(file=file, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = _WIDTH_OF_FILES
    return made


def front_table(report: StudyReport) -> Table:
    """The front, best metric first, then the other baselines, dim."""
    shown = rows(report)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("trial")
    for column in shown[0].cells if shown else ():
        table.add_column(column, justify="left" if column in ("trained", "method") else "right")
    for row in shown:
        name = " ".join([row.name, *(f"({tag})" for tag in row.tags)])
        table.add_row(name, *row.cells.values(), style=None if row.on_front else "dim")
    return table


def payback_table(report: StudyReport) -> Table | None:
    """What one training with each front schedule saves; None if there is nothing to compare."""
    shown = payback_rows(report)
    if not shown:
        return None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("trial")
    for column in shown[0].cells:
        # A title of two lines, so that the table fits 100 columns.
        table.add_column(column.replace("back in", "back\nin"), justify="right")
    for row in shown:
        table.add_row(row.name, *row.cells.values())
    return table


def confirmed_table(report: StudyReport, confirmed: Confirmed) -> Table:
    """The schedules on new seeds; those that are not on the front dim."""
    shown = confirmed_rows(report, confirmed)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("schedule")
    for column in shown[0].cells if shown else ():
        table.add_column(column, justify="left" if column == "verdict" else "right")
    for row in shown:
        table.add_row(row.name, *row.cells.values(), style=None if row.on_front else "dim")
    return table


def shortcuts_table(findings: Sequence[Finding]) -> Table:
    """A row per shortcut: whether it is used, its differences, and why it is off."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("shortcut", "used"):
        table.add_column(name)
    for name in ("outputs", "gradients"):
        table.add_column(f"{name} differ by", justify="right")
    table.add_column("reason")
    for finding in findings:
        differences = (finding.outputs, finding.gradients)
        shown = ("" if value is None else f"{value:.1e}" for value in differences)
        used = "off" if finding.reason else "yes"
        table.add_row(finding.title, used, *shown, finding.reason or "")
    return table


def scores_table(scores: Mapping[str, Sequence[float]]) -> Table:
    """A row per block, a column per contribution metric."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("block", justify="right")
    for name in scores:
        table.add_column(name.replace("_", " "), justify="right")
    for block, row in enumerate(zip(*scores.values(), strict=True)):
        table.add_row(str(block), *(f"{score:.4g}" for score in row))
    return table
