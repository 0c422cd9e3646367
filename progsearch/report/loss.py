"""Says that a schedule is worse than full fine-tuning by more than noise, before it is used."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from progsearch.errors import StudyError
from progsearch.numerals import counted
from progsearch.report import collapsed
from progsearch.report.data import StudyReport
from progsearch.report.formatting import signed
from progsearch.study.trial import Trial

# How many standard errors a loss must have, as everywhere.
_ERRORS = 2
_RULES = ("cheapest@1pt", "best")


def loss_of(report: StudyReport, trial: Trial) -> str | None:
    """That a trial loses to full fine-tuning by two standard errors or more, and what does not.

    On new seeds, if it was confirmed, else by the estimates of the search.

    Returns:
        A sentence; None if there is no such loss or nothing to compare with.
    """
    full = report.full
    if full is None or trial.number == full.number or collapsed.full_collapsed(report):
        return None
    found = _on_new_seeds(report, trial) or _estimated(trial, full)
    if found is None or not _is_loss(*found[:2]):
        return None
    return f"{_sentence(trial.label, *found)}: {_instead(report, trial, full)}"


def loss_in_file(results: Mapping[str, Any]) -> str | None:
    """The same of an exported file.

    Args:
        results: ``searched`` and ``reference``, as exported.
    """
    searched, reference = results.get("searched", {}), results.get("reference", {})
    errors = [found.get("standard_error") for found in (searched, reference)]
    if None in errors or not {"value", "study"} <= searched.keys():
        return None
    difference, error = _difference(searched["value"], reference["value"], *errors)
    if not _is_loss(difference, error):
        return None
    sentence = _sentence("this schedule", difference, error, "in the search")
    return f"{sentence}: export the pick cheapest@1pt or best to lose less"


def _sentence(name: str, difference: float, error: float, where: str) -> str:
    return (
        f"{name} is worse than full fine-tuning by more than noise, {signed(100 * difference)} "
        f"(standard error {100 * error:.2f}, {where})"
    )


def _is_loss(difference: float, error: float) -> bool:
    return difference < 0 and difference <= -_ERRORS * error


def _difference(
    value: float, other: float, error: float, other_error: float
) -> tuple[float, float]:
    return value - other, (error**2 + other_error**2) ** 0.5


def _on_new_seeds(report: StudyReport, trial: Trial) -> tuple[float, float, str] | None:
    schedules = report.confirmed.schedules if report.confirmed else ()
    for schedule in schedules:
        found = schedule.to_full
        if schedule.trial.number == trial.number and found and found.standard_error is not None:
            return found.mean, found.standard_error, f"on {counted(found.n, 'new seed')}"
    return None


def _estimated(trial: Trial, full: Trial) -> tuple[float, float, str] | None:
    mine, its = trial.estimate, full.estimate
    if mine is None or its is None:
        return None
    return *_difference(mine.mean, its.mean, mine.error, its.error), "in the search"


def _instead(report: StudyReport, trial: Trial, full: Trial) -> str:
    """What to pick instead: the cheapest schedule that loses little, if there is a better one."""
    for how in _RULES:
        with contextlib.suppress(StudyError):
            other = report.pick(how)
            if other.number != trial.number and other.values[0] > trial.values[0]:
                lost = "" if other.number == full.number else f", {_to(other, full)}"
                return f"the pick {how} is {other.label}{lost}"
    return "the pick full is full fine-tuning"


def _to(trial: Trial, full: Trial) -> str:
    return signed(100 * (trial.values[0] - full.values[0]))
