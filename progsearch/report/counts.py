"""The trials of a study by how they ended, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from progsearch.study.progress import untuned
from progsearch.study.trial import INTERRUPTED, OUTCOMES, RUN_AGAIN, WAITING, Trial

if TYPE_CHECKING:
    from progsearch.report.data import StudyReport


def waits(report: StudyReport, trial: Trial) -> bool:
    """Whether a stopped run of a reference may be continued.

    The learning rates of a reference wait for each other at the ends of epochs, and the better
    half goes on.
    """
    waiting = trial.is_stopped and trial.is_baseline and trial.repeats is None
    return waiting and trial.name in untuned(report.trials, report.recipe, report.info)


def counts(report: StudyReport, *, died: bool = False) -> dict[str, int]:
    """The number of trials by outcome, in the order in which they are told; without zeros.

    Stopped trials that another trial continued are not counted.

    Args:
        report: The study.
        died: Whether the process that ran the study died, so that what ran was interrupted.
    """
    continued = {t.continues for t in report.trials if not t.is_interrupted}
    found = Counter(
        WAITING if waits(report, trial) else trial.outcome
        for trial in report.trials
        if not (trial.is_stopped and trial.number in continued)
    )
    if died:
        found[INTERRUPTED] += found.pop("running", 0)
    return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}


def counts_in_words(report: StudyReport, *, died: bool = False) -> str:
    """Such as ``24 done, 3 stopped early, 1 interrupted``."""
    found = counts(report, died=died)
    return ", ".join(f"{number} {outcome}" for outcome, number in found.items()) or "no trial yet"


def run_again(report: StudyReport) -> list[Trial]:
    """The trials that lost their worker or had too little memory beside others."""
    return [trial for trial in report.trials if trial.outcome == RUN_AGAIN]
