"""Tunes the references: successive halving over their learning rates.

All rates of a reference are trained to the end of the first epoch, the better half of them to
the end of the second, half of those to that of the fourth, and so on (Jamieson and Talwalkar,
arXiv 1502.07943, with epochs as the resource). The one with the best final metric counts. If it
lies at the end of the list, rates beyond are tried, each as long as it is better than the best
one was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from progsearch.config import Recipe
from progsearch.strategy.candidates import Candidate
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import Reference
from progsearch.study.collapse import is_collapsed
from progsearch.study.progress import rungs
from progsearch.study.results import Record
from progsearch.study.trial import Trial

# How many rates beyond an end of the list are tried, as long as the last one is the best.
_MOST_FURTHER = 3
# The next lower rate if none of the list has learned anything, as a share of the lowest.
_FAR_BELOW = 0.1
# The least ratio of a further rate to the end of the list.
_LEAST_STEP = 2.0


class Start(NamedTuple):
    """A run of a reference that should be made now.

    Attributes:
        reference: The reference.
        rate: Its learning rate.
        continues: The stopped trial that it continues, if there is one.
    """

    reference: Reference
    rate: float
    continues: Trial | None


@dataclass(frozen=True)
class _Run:
    """What is known of a reference at one rate.

    Attributes:
        trial: The latest trial.
        metrics: Its metric after each epoch.
        collapsed: The epochs at which its predictions, or its metric, were a constant answer's.
    """

    trial: Trial
    metrics: Mapping[float, float]
    collapsed: frozenset[float]

    @property
    def is_collapsed(self) -> bool:
        """Whether it was collapsed when it was last measured."""
        return bool(self.metrics) and max(self.metrics) in self.collapsed

    @property
    def final(self) -> float | None:
        """The metric at its end; None without a result."""
        return self.trial.measured if self.trial.is_usable else None


class Tuning:
    """Decides which runs of the references are made, and how far.

    All decisions follow from the trials, so that a resumed search goes on where it was. They do
    not depend on the order in which parallel trials end.

    Args:
        references: To be tuned.
        recipe: The study's.
        problem: Its model and task.
    """

    def __init__(self, references: Sequence[Reference], recipe: Recipe, problem: Problem) -> None:
        self._references = references
        self._epochs = recipe.training.epochs
        self._metric, self._majority = problem.metric, problem.majority
        self._rungs = rungs(recipe)

    def next(
        self, trials: Sequence[Trial], running: Mapping[int, Sequence[Record]]
    ) -> list[Start]:
        """The runs that should be made now, beside those that are running.

        Args:
            trials: All trials of the study.
            running: The measurements of the active ones, by number.
        """
        return [
            start
            for reference in self._references
            for start in self._starts(reference, self._runs(reference, trials, running))
        ]

    def stops(
        self, trial: Trial, trials: Sequence[Trial], running: Mapping[int, Sequence[Record]]
    ) -> bool:
        """Whether a run of a reference, measured just now, waits for others or has lost.

        Args:
            trial: The run.
            trials: All trials of the study.
            running: The measurements of the active ones, by number; of ``trial``, too.
        """
        reference = self._of(trial)
        runs = self._runs(reference, trials, running)
        rate, reached = trial.run.training.learning_rate, running[trial.number][-1].epoch
        if rate not in reference.rates:
            return reached in self._rungs and _loses(runs.pop(rate), runs.values(), reached)
        rates, epoch = self._rung(reference, runs)
        return not (rate in rates and epoch > reached)

    def run_of(self, trial: Trial) -> Candidate:
        """The run of a reference's trial."""
        return self._of(trial).at(trial.run.training.learning_rate)

    def _of(self, trial: Trial) -> Reference:
        return next(r for r in self._references if r.name == trial.name)

    def _starts(self, reference: Reference, runs: Mapping[float, _Run]) -> Iterator[Start]:
        rates, epoch = self._rung(reference, runs)
        missing = False
        for rate in rates:
            run = runs.get(rate)
            if run is None:
                yield Start(reference, rate, None)
            elif run.trial.is_stopped and epoch not in run.metrics:
                yield Start(reference, rate, run.trial)
            elif not run.trial.is_running:
                continue
            missing = True
        if missing or epoch < self._epochs or not reference.is_tuned:
            return
        further = self._further(reference, runs)
        if further is not None:
            yield Start(reference, further, None)

    def _rung(self, reference: Reference, runs: Mapping[float, _Run]) -> tuple[list[float], int]:
        """The rates that are still in the race, and the epoch to which they are trained."""
        rates = [rate for rate in reference.rates if not _is_out(runs.get(rate))]
        if any(run.final is not None and run.is_collapsed for run in runs.values()):
            # The best ones learned nothing in the end, so that others go on that learned.
            rates = [r for r in rates if r not in runs or not runs[r].is_collapsed]
        for epoch in self._rungs:
            reached = {r: runs[r].metrics[epoch] for r in rates if _reached(runs.get(r), epoch)}
            if len(reached) < len(rates):
                return rates, epoch
            # Of equal ones the lower rates, which are less likely to fail later.
            at = epoch
            rates.sort(key=lambda r: (at in runs[r].collapsed, -reached[r], r))
            rates = rates[: math.ceil(len(rates) / 2)]
        return rates, self._epochs

    def _further(self, reference: Reference, runs: Mapping[float, _Run]) -> float | None:
        """A rate beyond the end of the list, if the best one lies there."""
        tried = sorted(runs)
        if any(runs[rate].trial.is_running for rate in tried):
            return None
        if len(tried) - len(reference.rates) >= _MOST_FURTHER:
            return None
        low, high = tried[0], tried[-1]
        finals = {
            rate: run.final
            for rate, run in runs.items()
            if run.final is not None and not run.is_collapsed
        }
        if not finals:
            return _rounded(low * _FAR_BELOW)
        best = min(finals, key=lambda rate: (-finals[rate], rate))
        step = max(_LEAST_STEP, reference.rates[-1] / reference.rates[-2])
        if best == low:
            return _rounded(low / step)
        return _rounded(high * step) if best == high else None

    def _runs(
        self,
        reference: Reference,
        trials: Sequence[Trial],
        running: Mapping[int, Sequence[Record]],
    ) -> dict[float, _Run]:
        """What is known of a reference, by rate."""
        found: dict[float, _Run] = {}
        for trial in trials:
            is_run = trial.name == reference.name and trial.repeats is None
            if not is_run or trial.is_interrupted:
                continue
            rate = trial.run.training.learning_rate
            records = trial.records or running.get(trial.number, ())
            # A trial that continues a stopped one is silent until it is beyond it.
            before = found.get(rate)
            metrics = {record.epoch: record.metrics[self._metric] for record in records}
            collapsed = {
                record.epoch
                for record in records
                if is_collapsed(record, self._metric, self._majority)
            }
            if before is not None:
                metrics, collapsed = {**before.metrics, **metrics}, {*before.collapsed, *collapsed}
            found[rate] = _Run(trial, metrics, frozenset(collapsed))
        return found


def _is_out(run: _Run | None) -> bool:
    """Whether a run learned nothing and will not; a stopped one may be continued."""
    if run is None or run.trial.is_stopped or not run.trial.is_finished:
        return False
    return run.final is None or run.is_collapsed


def _loses(run: _Run, others: Iterable[_Run], epoch: float) -> bool:
    """Whether a run beyond the list is worse at an epoch than the best run was there."""
    best = max(
        (other for other in others if other.final is not None and epoch in other.metrics),
        key=lambda other: other.final or 0.0,
        default=None,
    )
    return best is not None and not best.is_collapsed and run.metrics[epoch] < best.metrics[epoch]


def _reached(run: _Run | None, epoch: int) -> bool:
    return run is not None and epoch in run.metrics


def _rounded(rate: float) -> float:
    return float(f"{rate:.1e}")
