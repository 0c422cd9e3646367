"""Compares a study's schedules by their runs on new seeds, paired by seed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import fmean

from progsearch.report.confirmation import Confirmed, ConfirmedSchedule
from progsearch.report.statistics import Difference, difference, holm, summary, verdict
from progsearch.study.collapse import is_constant_answer
from progsearch.study.confirmed_runs import ConfirmedRuns
from progsearch.study.front import references_of
from progsearch.study.results import mean_scores
from progsearch.study.trial import FULL, PAPER, Trial


def confirmed(
    trials: Sequence[Trial],
    runs: ConfirmedRuns,
    *,
    front: Collection[int],
    metric: str,
    majority: float | None,
    objectives: Sequence[str],
    split: str,
) -> Confirmed | None:
    """The statistics of a study's runs on new seeds; None if no run has ended.

    Each schedule with a result is compared with full fine-tuning and with the paper's schedule
    of 3 stages, on the seeds that both have. Seeds with which one of these two collapsed are left
    out of the differences to it: not failing as it did is no gain. A schedule's own collapses
    count.

    Args:
        trials: The study's trials with a result.
        runs: Their runs on new seeds.
        front: Numbers of the trials on the front, which come first.
        metric: Name of the task's metric.
        majority: The metric of a constant prediction, if it is defined.
        objectives: The study's objectives; the first is the metric.
        split: The data that the metric was measured on.
    """
    all_runs = {trial.number: _Runs(trial, runs, metric, majority, objectives) for trial in trials}
    seeds = {seed for one in all_runs.values() for seed in (*one.good, *one.failed)}
    if not seeds:
        return None
    named = {name: all_runs[trial.number] for name, trial in references_of(trials).items()}
    full, paper = named.get(FULL), named.get(PAPER)
    order = sorted(
        (one for one in all_runs.values() if one.good),
        key=lambda one: (one.trial.number not in front, -one.means[0]),
    )
    p_values = [one.p_non_inferior(full, runs.margin) for one in order]
    return Confirmed(
        margin=runs.margin,
        split=split,
        seeds=tuple(sorted(seeds)),
        schedules=tuple(
            one.compared(full, paper, p, corrected, runs.margin)
            for one, p, corrected in zip(order, p_values, holm(p_values), strict=True)
        ),
        failed=tuple(
            (one.trial, next(iter(one.failed.values())))
            for one in all_runs.values()
            if one.failed and not one.good
        ),
        full_collapsed=() if full is None else tuple(sorted(full.collapsed)),
    )


class _Runs:
    """One schedule's runs.

    Attributes:
        trial: The trial of the schedule.
        good: Its runs with a result, by seed.
        failed: The reasons of failed runs, by seed.
        values: The metric on validation data, by seed.
        test_values: The same on test data.
        collapsed: The seeds with which predictions were constant.
    """

    def __init__(
        self,
        trial: Trial,
        runs: ConfirmedRuns,
        metric: str,
        majority: float | None,
        objectives: Sequence[str],
    ) -> None:
        found = runs.of(trial.number)
        self.trial = trial
        self.good = {seed: run for seed, run in found.items() if run.reason is None}
        self.failed = {s: run.reason for s, run in found.items() if run.reason is not None}
        self.values = {s: (run.metrics or {})[metric] for s, run in self.good.items()}
        self.test_values = {
            s: run.test_metrics[metric] for s, run in self.good.items() if run.test_metrics
        }
        self.collapsed = {
            seed
            for seed, run in self.good.items()
            if run.constant or is_constant_answer(self.values[seed], metric, majority)
        }
        self._objectives = objectives
        self._metric = metric

    @property
    def means(self) -> tuple[float, ...]:
        """The mean of each objective; computed costs are the same for every seed."""
        return tuple(map(self._mean, self._objectives))

    def over(self, other: _Runs | None, *, test: bool = False) -> Difference | None:
        """The difference to another schedule's runs, on the seeds that both have.

        Without those with which the other collapsed.
        """
        if other is None or other is self:
            return None
        mine, theirs = (r.test_values if test else r.values for r in (self, other))
        common = [seed for seed in mine if seed in theirs and seed not in other.collapsed]
        if not common:
            return None
        return difference([mine[seed] for seed in common], [theirs[seed] for seed in common])

    def p_non_inferior(self, full: _Runs | None, margin: float) -> float | None:
        """The p-value of the test that they lose less than ``margin`` to full fine-tuning."""
        found = self.over(full)
        # A schedule that failed with a seed cannot be called as good as one that did not.
        return None if found is None or self.failed else found.p_non_inferior(margin)

    def compared(
        self,
        full: _Runs | None,
        paper: _Runs | None,
        p: float | None,
        corrected_p: float | None,
        margin: float,
    ) -> ConfirmedSchedule:
        """The schedule compared with full fine-tuning and the paper's schedule."""
        to_full = self.over(full)
        return ConfirmedSchedule(
            trial=self.trial,
            values=self.values,
            summary=summary(list(self.values.values())),
            means=self.means,
            failed=self.failed,
            to_full=to_full,
            p=p,
            corrected_p=corrected_p,
            verdict=None if to_full is None else verdict(to_full, margin, corrected_p),
            to_paper=self.over(paper),
            better_than_paper=_is_better(self, paper),
            test_values=self.test_values,
            test=summary(list(self.test_values.values())) if self.test_values else None,
            test_to_full=self.over(full, test=True),
            per_class=mean_scores(run.per_class for run in self.good.values()),
            others=self._others(),
        )

    def _others(self) -> dict[str, float]:
        """The means of the metrics that all good runs have, without the one compared."""
        every = [run.metrics or {} for run in self.good.values()]
        common = [name for name in every[0] if all(name in found for found in every)]
        return {
            name: fmean(found[name] for found in every) for name in common if name != self._metric
        }

    def _mean(self, objective: str) -> float:
        runs = self.good.values()
        match objective:
            case "metric":
                found = list(self.values.values())
            case "seconds":
                found = [run.timings.run for run in runs]
            case "peak_memory":
                predicted = self.trial.costs.peak_memory
                found = [float(predicted or run.peak_memory) for run in runs]
            case "forgetting":
                found = [(run.metrics or {})["forgetting"] for run in runs]
            case "flops":
                return self.trial.costs.flops
            case _:
                return self.trial.updated_parameters
        return sum(found) / len(found)


def _is_better(runs: _Runs, others: _Runs | None) -> bool | None:
    """Whether ``runs`` have the better mean in every objective."""
    found = runs.over(others)
    if others is None or found is None:
        return None
    costs = zip(runs.means[1:], others.means[1:], strict=True)
    return round(found.mean, 9) > 0 and all(mine < theirs for mine, theirs in costs)
