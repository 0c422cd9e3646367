"""A study's results as the last lines of a search."""

from __future__ import annotations

from pathlib import Path

from progsearch.numerals import learning_rate
from progsearch.report import collapsed, stopped
from progsearch.report.constant import constant_of, rows_of, sample_in_words
from progsearch.report.data import StudyReport
from progsearch.report.formatting import in_words, value_in_words
from progsearch.report.indistinct import indistinct
from progsearch.report.payback_rows import about_savings
from progsearch.report.per_class import by_class
from progsearch.show.output import console, say, say_command
from progsearch.show.tables import (
    MOST_CLASSES,
    class_table,
    confirmed_table,
    front_table,
    payback_table,
)
from progsearch.study.folder import StudyFolder, command_line
from progsearch.study.results import ClassScores
from progsearch.study.trial import Trial

NOISE = (
    "the front was chosen on the data it was measured on, so small differences may be noise; "
    "check it on new seeds before you rely on them:"
)


def print_results(report: StudyReport, folder: StudyFolder, studies_dir: Path) -> None:
    """Print the front, the path of the report and the line that exports a schedule.

    If nothing was learned, there is no such line.
    """
    print_front(report)
    if blind := indistinct(report.usable, report.metric):
        say(blind)
    if report.reuse.steps_reused:
        say(str(report.reuse))
    print_payback(report)
    say_command("report", str(folder.path / "report.html"))
    if not report.nothing_learned:
        say(NOISE)
        say_command("confirm", command_line("confirm", report.study, studies_dir, "--seeds", "5"))
        line = command_line("export", report.study, studies_dir, "--out", "best.yaml")
        say_command("export", line)


def print_front(report: StudyReport) -> None:
    """Print the front and the references, and what a difference between them is worth."""
    console().print(front_table(report))
    say("")
    print_rows(report)
    if sample := sample_in_words(report):
        say(sample)
    # If nothing was learned, that is said already.
    if not report.nothing_learned and (constant := constant_of(report)) and constant.unbeaten:
        say(str(constant))


def print_rows(report: StudyReport) -> None:
    """Print how many rows the metric was measured on."""
    if rows := rows_of(report):
        say(str(rows))


def print_payback(report: StudyReport) -> None:
    """Print what the search cost, and what each place on the front saves."""
    say(str(report.payback))
    if table := payback_table(report):
        say(f"{about_savings(report)}:\n")
        console().print(table)
        say("")


def print_confirmed(report: StudyReport, folder: StudyFolder) -> None:
    """Print the schedules on new seeds, what the numbers mean and the path of the report."""
    if report.confirmed is not None:
        console().print(confirmed_table(report, report.confirmed))
        say("")
        print_rows(report)
        if found := by_class(report, confirmed=True):
            print_classes(found.scores, found.about, found.full)
        for trial, reason in report.confirmed.failed:
            say(f"{trial.label}: no run has a result: {reason}")
        say(report.confirmed.note)
        say(str(report.payback))
    say_command("report", str(folder.path / "report.html"))


def print_classes(scores: ClassScores, about: str, full: ClassScores | None = None) -> None:
    """Print the scores of each class, or of the worst of many."""
    if len(scores) > MOST_CLASSES:
        about += f"; the {MOST_CLASSES} of {len(scores)} with the lowest F1"
    say(f"{about}:\n")
    console().print(class_table(scores, full))
    say("")


def name_of(trial: Trial) -> str:
    """Its number, and of a reference its name and learning rate: ``#3 full at 1e-4``."""
    if not trial.is_baseline:
        return trial.label
    return f"#{trial.number} {trial.name} at {learning_rate(trial.run.training.learning_rate)}"


def trial_line(report: StudyReport, trial: Trial) -> str:
    """The result of a trial, in one line."""
    name = name_of(trial)
    if trial.repeats is not None:
        name += f" (#{trial.repeats} again, seed {trial.run.training.seed})"
    if trial.continues is not None:
        name += f" (on from #{trial.continues})"
    if trial.tries > 1:
        name += f" (try {trial.tries})"
    if trial.is_failed:
        return f"{name} failed: {trial.reason or 'no reason given'}"
    if trial.is_interrupted:
        return f"{name} is run again: {trial.reason}"
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
