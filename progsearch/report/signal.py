"""Whether a study learned anything: whether a result beats the constant answer beyond noise."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

from progsearch.numerals import learning_rate
from progsearch.report import collapsed
from progsearch.report.constant import ERRORS, error_over
from progsearch.study.collapse import constant_answer
from progsearch.study.trial import Trial

if TYPE_CHECKING:
    from progsearch.report.data import StudyReport


def nothing_learned(report: StudyReport) -> str | None:
    """A sentence if no result beats the constant answer by two standard errors.

    The standard error is that of `sampling_error`, or that of the trial's estimate if this is
    larger. The best reference must beat the constant answer by two of them. The best of
    k references without any signal does so with a chance of up to k times 2.3 %, so a study that
    passes has not proved that it learned something; one that does not has shown no sign of it.
    Searched trials are many, and a single lucky one should not pass: with k of them, the best
    must be beyond the normal quantile of 2.3 % / k (Bonferroni).

    Args:
        report: The study.

    Returns:
        None if something was learned, and if that is not known: references are still to be
        trained, the constant answer has no score, or the size of the validation data is unknown.
    """
    answer = constant_answer(report.metric, report.majority)
    understood = report.recipe.understood
    split = None if understood is None else understood.splits.get(report.split)
    if answer is None or split is None or not report.usable or not _references_ended(report):
        return None

    def error_of(trial: Trial) -> float:
        return error_over(report, trial, answer)

    def beats(trials: Sequence[Trial], errors: float) -> bool:
        return any(t.values[0] > answer + errors * error_of(t) for t in trials)

    references = [trial for trial in report.baselines if trial.is_usable]
    numbers = {trial.number for trial in references}
    others = [trial for trial in report.usable if trial.number not in numbers]
    if beats(references, ERRORS) or beats(others, _corrected(len(others))):
        return None
    shown = references or others
    best = max(shown, key=lambda trial: trial.values[0])
    return _sentence(report, answer, shown, best, error_of(best), split.rows)


def _references_ended(report: StudyReport) -> bool:
    runs = [trial for trial in report.trials if trial.is_baseline]
    # At one learning rate at least, each was trained to its end or failed.
    ended = {
        trial.name
        for trial in runs
        if trial.is_finished and not (trial.is_stopped or trial.is_interrupted)
    }
    return ended >= set(report.info.baselines) and not any(trial.is_running for trial in runs)


def _corrected(number: int) -> float:
    """How many standard errors the best of several trials must be above the constant answer."""
    normal = NormalDist()
    return -normal.inv_cdf(normal.cdf(-ERRORS) / max(1, number))


def _sentence(
    report: StudyReport,
    answer: float,
    shown: Sequence[Trial],
    best: Trial,
    error: float,
    rows: int,
) -> str:
    kind = "reference" if best.is_baseline else "trial"
    rate = learning_rate(best.run.training.learning_rate)
    every = [
        trial
        for trial in report.trials
        if trial.is_finished and not trial.is_interrupted and trial.is_baseline == best.is_baseline
    ]
    n_collapsed = sum(collapsed.of(report, trial) is not None for trial in every)
    remark = f"; {n_collapsed} of {len(every)} runs of {kind}s collapsed" if n_collapsed else ""
    return (
        f"nothing was learned: no {kind} beats the constant answer "
        f"({report.metric.replace('_', ' ')} {answer:.4f}) by two standard errors ({error:.4f} "
        f"each with {rows} {report.split} rows): the best, {best.label} at learning rate {rate}, "
        f"has {best.values[0]:.4f}{remark}; try other learning rates, more epochs, more or "
        "cleaner data, or another model"
    )
