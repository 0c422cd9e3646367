"""A study's results as the last lines of a search."""

from __future__ import annotations

from pathlib import Path

from progsearch.report import collapsed, stopped
from progsearch.report.data import StudyReport
from progsearch.report.formatting import in_words, learning_rate, value_in_words
from progsearch.report.indistinct import indistinct
from progsearch.report.payback_rows import ABOUT
from progsearch.show.tables import confirmed_table, console, front_table, payback_table
from progsearch.study.folder import StudyFolder, command_line
from progsearch.study.trial import Trial


def print_results(report: StudyReport, folder: StudyFolder, studies_dir: Path) -> None:
    """Print the front, the path of the report and the line that exports a schedule.

    If nothing was learned, there is no such line.
    """
    where = console()
    where.print(front_table(report))
    if blind := indistinct(report.usable, report.metric):
        where.print(blind, markup=False, soft_wrap=True)
    if report.reuse.steps_reused:
        where.print(str(report.reuse), markup=False, soft_wrap=True)
    print_payback(report)
    where.print(f"report: {folder.path / 'report.html'}", markup=False, soft_wrap=True)
    if not report.nothing_learned:
        line = command_line("export", report.study, studies_dir, "--out", "best.yaml")
        where.print(f"export: {line}", markup=False, soft_wrap=True)


def print_payback(report: StudyReport) -> None:
    """Print what the search cost, and what each place on the front saves."""
    where = console()
    where.print(str(report.payback), markup=False, soft_wrap=True)
    if table := payback_table(report):
        where.print(f"{ABOUT}:", markup=False, soft_wrap=True)
        where.print(table)


def print_confirmed(report: StudyReport, folder: StudyFolder) -> None:
    """Print the schedules on new seeds, what the numbers mean and the path of the report."""
    where = console()
    if report.confirmed is not None:
        where.print(confirmed_table(report, report.confirmed))
        for trial, reason in report.confirmed.failed:
            where.print(f"{trial.label}: no run has a result: {reason}", markup=False)
        where.print(report.confirmed.note, markup=False, soft_wrap=True)
        where.print(str(report.payback), markup=False, soft_wrap=True)
    where.print(f"report: {folder.path / 'report.html'}", markup=False, soft_wrap=True)


def trial_line(report: StudyReport, trial: Trial) -> str:
    """The result of a trial, in one line."""
    name = trial.label
    if trial.is_baseline:
        name += f" at {learning_rate(trial.run.training.learning_rate)}"
    if trial.repeats is not None:
        name += f" ({report.trials[trial.repeats].label} again, seed {trial.run.training.seed})"
    if trial.continues is not None:
        name += f" (on from #{trial.continues})"
    if trial.is_failed:
        return f"{name} failed: {trial.reason or 'no reason given'}"
    words = f"({in_words(trial.stages, report.n_blocks)})"
    if remark := collapsed.in_short(report, trial):
        words += f"; {remark}"
    if trial.is_stopped:
        return f"{name} {stopped.in_short(report, trial)} {words}"
    values = [
        f"{objective.replace('_', ' ')} {value_in_words(objective, value)}"
        for objective, value in zip(report.objectives, trial.values, strict=True)
    ]
    return f"{name}: {', '.join(values)} {words}"
