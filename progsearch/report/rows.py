"""The front and the references as rows of a table: for page, terminal and dashboard."""

from __future__ import annotations

from dataclasses import dataclass

from progsearch.numerals import duration, learning_rate, percent, size
from progsearch.report import collapsed
from progsearch.report.constant import Constant, constant_of
from progsearch.report.data import StudyReport
from progsearch.report.formatting import count, in_words, signed
from progsearch.study.trial import Trial
from progsearch.tasks.types.causal_lm import AT_END

SCHEDULE = "trained"
"""The title of the column with the schedule in words."""

AT_END_TITLES = tuple(name.replace("_", " ") for name in AT_END)
"""The titles of the columns with what language models are measured by at the end of a run; the
exact match of spans has the same name."""


@dataclass(frozen=True)
class Row:
    """One trial, or the constant answer.

    Attributes:
        name: The name of a reference, or the trial's number.
        tags: The rules of `pick` that choose it, and whether it is collapsed.
        on_front: Whether it is on the front.
        baseline: Whether it is a reference.
        cells: Column title to text; every row has the same columns.
    """

    name: str
    tags: tuple[str, ...]
    on_front: bool
    baseline: bool
    cells: dict[str, str]


def rules(report: StudyReport) -> tuple[str, ...]:
    """The rules of `pick` that choose from the front; a front of one point has no knee.

    If nothing was learned, there is nothing to choose.
    """
    if report.nothing_learned:
        return ()
    return ("best", "knee") if len(report.objectives) > 1 else ("best",)


def rows(report: StudyReport) -> list[Row]:
    """The front, best metric first, then the references that are not on it.

    If nothing was learned or not the whole front beats it, the last row is the constant answer.
    """
    picks = {how: report.pick(how).number for how in rules(report)} if report.front else {}
    on_front = {trial.number for trial in report.front}
    rest = [t for t in report.baselines if t.is_usable and t.number not in on_front]
    found = [
        Row(
            name=name_of(report, trial),
            tags=(
                *(how for how, number in picks.items() if number == trial.number),
                *([collapsed.TAG] if collapsed.of(report, trial) else []),
            ),
            on_front=trial.number in on_front,
            baseline=trial.is_baseline,
            cells=_cells(report, trial),
        )
        for trial in [*report.front, *rest]
    ]
    constant = constant_of(report)
    if constant is not None and (constant.unbeaten or report.nothing_learned):
        found.append(_constant_answer(constant, found[0]))
    return found


def _constant_answer(constant: Constant, row: Row) -> Row:
    """The constant answer, with the columns of another row."""
    metric, *others = row.cells
    cells = {metric: f"{constant.value:.4f}", **dict.fromkeys(others, "")}
    return Row("constant answer", (), on_front=False, baseline=True, cells=cells)


def name_of(report: StudyReport, trial: Trial) -> str:
    """The trial's label, with the learning rate of a reference if it is not the best one."""
    if not trial.is_baseline or trial.number in {t.number for t in report.baselines}:
        return trial.label
    return f"{trial.label} at {learning_rate(trial.run.training.learning_rate)}"


def metric_in_words(trial: Trial) -> str:
    """The metric of a trial with a result, with its standard error if that is known."""
    error = "" if trial.estimate is None else f" ± {trial.estimate.error:.4f}"
    return f"{trial.values[0]:.4f}{error}"


def memory_of(report: StudyReport, trial: Trial) -> int | None:
    """The predicted peak memory of a trial in bytes; None if it is not known.

    In a study of an earlier version it is measured, if it is an objective.
    """
    measured = trial.peak_memory if "peak_memory" in report.objectives else None
    return trial.costs.peak_memory or measured or None


def _cells(report: StudyReport, trial: Trial) -> dict[str, str]:
    run = trial.run
    cells = {report.metric.replace("_", " "): metric_in_words(trial)}
    if any(t.n_seeds > 1 for t in report.usable):
        cells["seeds"] = str(trial.n_seeds)
    if report.full is not None:
        cells["to full"] = _to_full(report, trial, report.full)
    for name, title in zip(AT_END, AT_END_TITLES, strict=True):
        if title not in cells and any(name in t.metrics for t in report.usable):
            value = trial.mean_of(name)
            cells[title] = "" if value is None else f"{value:.4f}"
    cells["updated"] = percent(trial.updated_parameters)
    if any(memory_of(report, t) for t in report.usable):
        cells["memory"] = size(memory_of(report, trial) or 0)
    cells["FLOPs"] = count(trial.costs.flops)
    cells["time"] = duration(trial.seconds)
    cells["learning rate"] = learning_rate(run.training.learning_rate)
    if any(t.run.method.name != "full" for t in report.usable):
        cells["method"] = run.method.name
    cells[SCHEDULE] = in_words(trial.stages, report.n_blocks)
    return cells


def _to_full(report: StudyReport, trial: Trial, full: Trial) -> str:
    if trial.number == full.number:
        return ""
    if collapsed.full_collapsed(report):
        return "full collapsed"
    return signed(100 * (trial.values[0] - full.values[0]))
