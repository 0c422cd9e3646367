"""Keeps the results of the trials of a search."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from optuna.trial import TrialState

from progsearch.config import Recipe
from progsearch.internals.optuna import set_constraints
from progsearch.strategy.observations import Observations
from progsearch.strategy.problem import Problem
from progsearch.strategy.prospects import Prospects
from progsearch.strategy.samplers import Draws
from progsearch.strategy.source import MOST_RETRIES, Failed, Finished, Lost, Progress
from progsearch.study.folder import StudyFolder
from progsearch.study.metadata import keep_estimates
from progsearch.study.new_trials import NewTrial, outcome_attributes, record_attributes
from progsearch.study.progress import Session
from progsearch.study.results import Outcome, Record, Spent
from progsearch.study.trial import STOPPED, Trial
from progsearch.study.view import Run, View


@dataclass
class RunningTrial:
    """A trial that was handed out.

    Attributes:
        number: The trial's.
        name: A reference's name.
        point: The number of its point in the `Draws`, if it was sampled.
        repeats: The number of the trial that it repeats.
        tries: Which try it is of the same run; see `Trial.tries`.
        is_alone: Whether nothing may run beside it.
        segments: End step and key of its segments, which other trials may share.
        records: Its measurements so far.
        spent: The time and steps that it had used by then.
        had_company: Whether others ran beside it.
    """

    number: int
    name: str | None
    point: int | None
    repeats: int | None
    tries: int
    is_alone: bool
    segments: tuple[tuple[int, str], ...]
    records: list[Record] = field(default_factory=list)
    spent: Spent | None = None
    had_company: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether it is a run of a reference, and no repeat."""
        return self.name is not None and not self.is_repeat

    @property
    def is_repeat(self) -> bool:
        """Whether it runs another trial again with another seed."""
        return self.repeats is not None

    @property
    def done(self) -> int:
        """Steps that it is known to have made."""
        return self.records[-1].step if self.records else 0


class Recorder:
    """Writes trials to a study and informs the sampler and the observations.

    A trial enters the study whole and RUNNING, and leaves it as COMPLETE, as FAIL with the
    reason, or as PRUNED if it was stopped.

    Args:
        folder: The study; nothing else may write trials to it.
        problem: Its model and task.
        draws: The source of sampled trials.
        observations: What is known of the trials.
        prospects: Estimates their metrics.
        view: Told what happens.

    Attributes:
        session: The session of the search.
    """

    def __init__(
        self,
        folder: StudyFolder,
        problem: Problem,
        draws: Draws,
        observations: Observations,
        prospects: Prospects,
        view: View,
    ) -> None:
        self._folder = folder
        self._metric = problem.metric
        self._draws = draws
        self._observations = observations
        self._prospects = prospects
        self.session = Session(folder)
        self._view = view

    def begin(self, new: NewTrial, point: int | None) -> tuple[RunningTrial, Trial]:
        """Add a trial to the study; see `RunningTrial` for ``point``."""
        trial = self._folder.add(new)
        self._view.run_started(Run(trial))
        running = RunningTrial(
            number=trial.number,
            name=trial.name,
            point=point,
            repeats=trial.repeats,
            tries=trial.tries,
            is_alone=trial.is_alone,
            segments=trial.segments,
        )
        return running, trial

    def measured(self, running: RunningTrial, progress: Progress) -> Trial:
        """A trial was measured before its end; returns it as it stands."""
        running.spent = progress.spent
        return self._keep_record(running, progress.record)

    def finish(self, running: RunningTrial, end: Finished) -> None:
        """Keep a trial's result; a trial with an objective that is not finite has failed."""
        self._keep_record(running, end.record)
        self._folder.keep(running.number, outcome_attributes(end.outcome))
        values = self._values(running, end.outcome)
        if all(math.isfinite(value) for value in values):
            self._end(running, TrialState.COMPLETE, values=values)
        else:
            self.fail(running, Failed(f"a result is not a number: {values}"))

    def fail(self, running: RunningTrial, end: Failed) -> None:
        """Keep why a trial has no result.

        If memory was short and others ran beside it, it is run again.
        """
        again = end.memory and running.had_company
        self._end(running, TrialState.FAIL, reason=end.reason, again=again)

    def lose(self, running: RunningTrial, end: Lost) -> None:
        """Keep why a trial was lost; it is run again unless it was lost too often."""
        again = running.tries <= MOST_RETRIES
        tries = "" if again else f" ({running.tries} times; this is the last reason)"
        reason = end.reason + tries
        self._end(running, TrialState.FAIL, reason=reason, again=again)

    def stop(self, running: RunningTrial) -> None:
        """Keep the last measurement of a stopped trial; it has no values."""
        if running.spent is not None:
            self._folder.keep(running.number, running.spent.to_dict())
        self._end(running, TrialState.PRUNED, reason=STOPPED)

    def close(self) -> None:
        """Keep the length of the session."""
        self.session.save()

    @property
    def _recipe(self) -> Recipe:
        return self._folder.recipe

    def _keep_record(self, running: RunningTrial, record: Record) -> Trial:
        running.records.append(record)
        trial = self._folder.trial(running.number)
        self._view.record(Run(trial), record)
        return trial

    def _values(self, running: RunningTrial, outcome: Outcome) -> list[float]:
        costs = self._folder.trial(running.number).costs
        found = {
            "metric": outcome.metrics[self._metric],
            "updated_parameters": costs.updated_parameters,
            "flops": costs.flops,
            "seconds": outcome.spent.timings.run,
            # What is measured holds the process's libraries on a CPU, and caches.
            "peak_memory": float(costs.peak_memory or outcome.spent.peak_memory),
        }
        return [found[objective] for objective in self._recipe.objectives]

    def _end(
        self,
        running: RunningTrial,
        state: TrialState,
        *,
        values: list[float] | None = None,
        reason: str | None = None,
        again: bool = False,
    ) -> None:
        self._folder.keep(running.number, record_attributes(running.records))
        if reason is not None:
            kept = {"run_again": again} if state == TrialState.FAIL else {}
            self._folder.keep(running.number, {"reason": reason, **kept})
        violations = {}
        if values is not None:
            costs = self._folder.trial(running.number).costs
            violations = self._recipe.limits.violations(values[0], costs)
        set_constraints(self._folder.study, running.number, violations)
        self._folder.study.tell(running.number, values, state)
        trial = self._folder.trial(running.number)
        self._observations.add(trial)
        if values is not None:
            keep_estimates(self._folder.study, self._prospects.estimates())
        if running.point is not None:
            if values is None:
                self._draws.throw_away(running.point)
            else:
                self._draws.tell(running.point, values, violations)
        if not again:
            self.session.count_trial()
        self._view.run_ended(Run(trial))
