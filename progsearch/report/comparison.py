"""Compares a study's schedules by their runs on new seeds, paired over these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from progsearch.report.confirmation import Confirmed, ConfirmedSchedule
from progsearch.report.statistics import Difference, difference, holm, summary, verdict
from progsearch.study.confirmed_runs import KeptRuns

if TYPE_CHECKING:
    from progsearch.report.data import StudyReport

FULL, PAPER = "full", "progtuning-3"


def confirmed(report: StudyReport, kept: KeptRuns) -> Confirmed | None:
    """The statistics of a study's runs on new seeds; None where no run has ended.

    Each schedule that has a result is compared with the baseline of full fine-tuning and with
    the paper's schedule of 3 stages, on the seeds that both have.
    """
    all_runs = {trial.number: _Runs(report, trial, kept) for trial in report.usable}
    seeds = {seed for runs in all_runs.values() for seed in (*runs.good, *runs.failed)}
    if not seeds:
        return None
    named = {t.user_attrs["name"]: t.number for t in report.usable if "name" in t.user_attrs}
    full, paper = (all_runs.get(named.get(name, -1)) for name in (FULL, PAPER))
    on_front = {trial.number for trial in report.front}
    order = sorted(
        (runs for runs in all_runs.values() if runs.good),
        key=lambda runs: (runs.trial.number not in on_front, -runs.means[0]),
    )
    to_full = [runs.over(full) for runs in order]
    p_values = [
        # One that failed on a seed cannot be called as good as one that did not.
        None if found is None or runs.failed else found.p_non_inferior(kept.margin)
        for runs, found in zip(order, to_full, strict=True)
    ]
    return Confirmed(
        margin=kept.margin,
        split=report.split,
        seeds=tuple(sorted(seeds)),
        schedules=tuple(
            ConfirmedSchedule(
                trial=runs.trial,
                values=runs.values,
                summary=summary(list(runs.values.values())),
                means=runs.means,
                failed=runs.failed,
                to_full=found,
                p=p,
                corrected_p=corrected,
                verdict=None if found is None else verdict(found, kept.margin, corrected),
                to_paper=runs.over(paper),
                better_than_paper=_is_better(runs, paper),
                test_values=runs.test_values,
                test=summary(list(runs.test_values.values())) if runs.test_values else None,
                test_to_full=runs.over(full, test=True),
            )
            for runs, found, p, corrected in zip(
                order, to_full, p_values, holm(p_values), strict=True
            )
        ),
        failed=tuple(
            (runs.trial, next(iter(runs.failed.values())))
            for runs in all_runs.values()
            if runs.failed and not runs.good
        ),
    )


class _Runs:
    """One schedule's runs.

    Attributes:
        trial: The trial that it comes from.
        good: Its runs with a result, by seed.
        failed: Why others have none, by seed.
        values: The metric on validation data, by seed.
        test_values: The same on test data.
    """

    def __init__(self, report: StudyReport, trial: FrozenTrial, kept: KeptRuns) -> None:
        runs = kept.of(trial.number)
        self.trial = trial
        self.good = {seed: run for seed, run in runs.items() if run.reason is None}
        self.failed = {s: run.reason for s, run in runs.items() if run.reason is not None}
        self.values = {s: (run.metrics or {})[report.metric] for s, run in self.good.items()}
        self.test_values = {
            s: run.test_metrics[report.metric] for s, run in self.good.items() if run.test_metrics
        }
        self._objectives = report.recipe.objectives

    @property
    def means(self) -> tuple[float, ...]:
        """The mean of each objective; costs that are not measured are the same for every seed."""
        return tuple(map(self._mean, self._objectives))

    def over(self, other: _Runs | None, *, test: bool = False) -> Difference | None:
        """What they have over another schedule's runs on the seeds that both have."""
        if other is None or other is self:
            return None
        mine, theirs = (r.test_values if test else r.values for r in (self, other))
        common = [seed for seed in mine if seed in theirs]
        if not common:
            return None
        return difference([mine[seed] for seed in common], [theirs[seed] for seed in common])

    def _mean(self, objective: str) -> float:
        runs = self.good.values()
        match objective:
            case "metric":
                found = list(self.values.values())
            case "seconds":
                found = [run.timings["train"] + run.timings["evaluate"] for run in runs]
            case "peak_memory":
                found = [float(run.peak_memory) for run in runs]
            case _:
                return float(self.trial.user_attrs["costs"][objective])
        return sum(found) / len(found)


def _is_better(runs: _Runs, others: _Runs | None) -> bool | None:
    """Whether ``runs`` are better on the mean of every objective."""
    found = runs.over(others)
    if others is None or found is None:
        return None
    costs = zip(runs.means[1:], others.means[1:], strict=True)
    return round(found.mean, 9) > 0 and all(mine < theirs for mine, theirs in costs)
