"""What a search prints at its end: its front, its picks and full fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from progsearch.report.data import StudyReport
from progsearch.study.dominance import directions, knee, non_dominated
from progsearch.study.trial import Trial

from .table import Entry, Table

_SIDES = directions(2)


@dataclass(frozen=True)
class Printed:
    """A training with the metric that is printed for it.

    Attributes:
        entry: The training.
        metric: The metric.
        error: Its standard error; None if none is printed.
    """

    entry: Entry
    metric: float
    error: float | None = None


@dataclass(frozen=True)
class Answer:
    """What a user reads.

    Attributes:
        front: Best metric first.
        best: The pick of that name; None without a front.
        knee: The same.
        full: Full fine-tuning, to which the others are compared; None if it was not trained.
    """

    front: tuple[Printed, ...]
    best: Printed | None = None
    knee: Printed | None = None
    full: Printed | None = None


def estimates(report: StudyReport) -> Iterator[tuple[Trial, float, float | None]]:
    """Each trial with a result, the mean that is printed for it, and its standard error."""
    for trial in report.usable:
        yield trial, trial.values[0], None if trial.estimate is None else trial.estimate.error


def answer_of_report(report: StudyReport, table: Table) -> Answer:
    """What a search of progsearch prints.

    Args:
        report: The study's.
        table: Holds its trials.
    """
    found: dict[int, Printed] = {}
    for trial, metric, error in estimates(report):
        entry = table.of_run(trial.run)
        assert entry is not None, "a trial has a result only if the table holds it"
        found[trial.number] = Printed(entry, metric, error)
    full = None if report.full is None else found[report.full.number]
    if not report.front:
        return Answer((), full=full)
    return Answer(
        front=tuple(found[trial.number] for trial in report.front),
        best=found[report.pick("best").number],
        knee=found[report.pick("knee").number],
        full=full,
    )


def answer_by_one_seed(entries: Sequence[Entry], seed: int, full: Entry | None) -> Answer:
    """What a user has who trained each of ``entries`` once.

    Args:
        entries: Finished trainings.
        seed: The seed that they were trained with.
        full: Full fine-tuning, if it is one of them.
    """

    def printed(entry: Entry) -> Printed:
        return Printed(entry, entry.values(seed)[0])

    by_full = None if full is None else printed(full)
    values = [entry.values(seed) for entry in entries]
    kept = sorted(non_dominated(values, _SIDES), key=lambda index: -values[index][0])
    if not kept:
        return Answer((), full=by_full)
    front = tuple(printed(entries[index]) for index in kept)
    return Answer(front, front[0], front[knee([values[i] for i in kept], _SIDES)], by_full)
