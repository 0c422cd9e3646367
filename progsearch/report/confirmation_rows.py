"""Results on new seeds as rows of a table, for the page and the terminal."""

from __future__ import annotations

from progsearch.numerals import percent
from progsearch.report.confirmation import Confirmed, ConfirmedSchedule
from progsearch.report.data import StudyReport
from progsearch.report.formatting import signed
from progsearch.report.rows import Row
from progsearch.report.statistics import Difference, Summary
from progsearch.study.trial import FULL
from progsearch.tasks.types.causal_lm import AT_END


def confirmed_rows(report: StudyReport, confirmed: Confirmed) -> list[Row]:
    """One row per schedule, in the given order."""
    on_front = {trial.number for trial in report.front}
    return [
        Row(
            name=schedule.trial.label,
            tags=(),
            on_front=schedule.trial.number in on_front,
            baseline=schedule.name is not None,
            cells=_cells(report, confirmed, schedule),
        )
        for schedule in confirmed.schedules
    ]


def _cells(
    report: StudyReport, confirmed: Confirmed, schedule: ConfirmedSchedule
) -> dict[str, str]:
    seeds = str(schedule.summary.n)
    if schedule.failed:
        seeds += f", {len(schedule.failed)} failed"
    better = {None: "", True: "yes", False: "no"}[schedule.better_than_paper]
    cells = {
        "updated": percent(schedule.updated_parameters),
        "seeds": seeds,
        report.metric.replace("_", " "): _mean(schedule.summary),
        "to full": _difference(schedule.to_full),
        "p (Holm)": "" if schedule.corrected_p is None else _p(schedule.corrected_p),
        "verdict": _verdict(confirmed, schedule),
        "beats paper": better,
    }
    # Language models have these at the end of a run alone, so no other table has them.
    for name in AT_END:
        if name != report.metric and any(name in found.others for found in confirmed.schedules):
            value = schedule.others.get(name)
            cells[name.replace("_", " ")] = "" if value is None else f"{value:.4f}"
    if confirmed.has_test:
        cells["test"] = "" if schedule.test is None else _mean(schedule.test)
        cells["test to full"] = _difference(schedule.test_to_full)
    return cells


def _mean(found: Summary) -> str:
    text = f"{found.mean:.4f}"
    if found.sd is not None:
        text += f" ± {found.sd:.4f}"
    if found.interval is not None:
        low, high = found.interval
        text += f" [{low:.4f}, {high:.4f}]"
    return text


def _difference(found: Difference | None) -> str:
    if found is None:
        return ""
    text = signed(100 * found.mean)
    if found.interval is not None:
        low, high = (signed(100 * end).removesuffix(" pt") for end in found.interval)
        text += f" [{low}, {high}]"
    return text


def _verdict(confirmed: Confirmed, schedule: ConfirmedSchedule) -> str:
    if schedule.name != FULL and schedule.to_full is None and confirmed.full_collapsed:
        return "full collapsed"
    seeds = confirmed.seeds_to_tell(schedule)
    return (schedule.verdict or "") + (f", ~{seeds} seeds" if seeds else "")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
