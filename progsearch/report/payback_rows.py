"""What one training with each front schedule saves, as rows for the page and the terminal."""

from __future__ import annotations

from collections.abc import Callable

from progsearch.numerals import duration, percent, size
from progsearch.report.data import StudyReport
from progsearch.report.payback import Saving
from progsearch.report.rows import Row

_PREDICTED = "FLOPs and memory are predicted before training. Time is measured and contains noise"
_MEASURED = (
    "FLOPs are known before training. Time and memory are measured and contain noise; on a CPU, "
    "memory is what the process holds, so only differences mean something"
)


def about_savings(report: StudyReport) -> str:
    """What the rows say; memory is measured in studies of earlier versions alone."""
    memory = " (memory as predicted)" if _predicts_memory(report) else ""
    return (
        f"what one training saves against full{memory}, and after how many trainings the search "
        "is paid back"
    )


def about_numbers(report: StudyReport) -> str:
    """Which of the numbers contain noise."""
    return _PREDICTED if _predicts_memory(report) else _MEASURED


def _predicts_memory(report: StudyReport) -> bool:
    return report.full is not None and bool(report.full.costs.peak_memory)


def payback_rows(report: StudyReport) -> list[Row]:
    """One row per trial on the front, without full fine-tuning; none if that has no result."""
    savings = report.payback.savings
    return [
        Row(
            name=trial.label,
            tags=(),
            on_front=True,
            baseline=trial.is_baseline,
            cells=_cells(savings[trial.number]),
        )
        for trial in report.front
        if trial.number in savings
    ]


def _cells(saving: Saving) -> dict[str, str]:
    memory = saving.peak_memory
    return {
        "updated": _signed(percent, saving.updated_parameters),
        "FLOPs": _signed(percent, saving.flops),
        "time": f"{_signed(duration, saving.seconds)} ({_signed(percent, saving.seconds_share)})",
        "memory": "not known" if memory is None else _signed(size, memory),
        "paid back in FLOPs": _after(saving.trainings_by_flops),
        "paid back in time": _after(saving.trainings_by_seconds),
    }


def _after(trainings: int | None) -> str:
    if trainings is None:
        return "never"
    return f"after {trainings:,}" if trainings else "at once"


def _signed(in_words: Callable[[float], str], value: float) -> str:
    """A saving in words; what costs more has a minus sign."""
    text = in_words(abs(value))
    # No minus sign before what rounds to zero.
    is_cost = value < 0 and any(digit in text for digit in "123456789")
    return "\N{MINUS SIGN}" + text if is_cost else text
