"""The trials of a search: which one is next, which one is stopped, and when the search ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from progsearch.strategy.candidates import Candidate
from progsearch.strategy.judgement import Judgement
from progsearch.strategy.observations import Observations
from progsearch.strategy.order import next_in_order
from progsearch.strategy.plateau import is_plateau
from progsearch.strategy.pool import CandidatePool
from progsearch.strategy.problem import Problem
from progsearch.strategy.prospects import Prospects
from progsearch.strategy.recorder import Recorder, RunningTrial
from progsearch.strategy.samplers import Draws
from progsearch.strategy.source import (
    WAIT,
    Assignment,
    Decision,
    Ended,
    Failed,
    Finished,
    Progress,
    Stopped,
    TrialSource,
    Wait,
)
from progsearch.strategy.warm_start import Earlier
from progsearch.study.folder import StudyFolder
from progsearch.study.front import allowed
from progsearch.study.progress import interrupt_running, latest, spent, to_retry
from progsearch.study.trial import NewTrial, Sampled, Trial, continuing, new_trial, retrying
from progsearch.study.view import View


class _Start(NamedTuple):
    """A trial to begin, and the number of its point if it was sampled."""

    trial: NewTrial
    point: int | None = None


class StudySource(TrialSource):
    """Hands out interrupted trials, then the references, then resumed and sampled ones.

    After each measurement it asks the judge whether to stop the trial (`Judgement`).

    Args:
        folder: The study; nothing else may write trials to it.
        problem: Its model and task.
        references: The runs that are made before any is sampled, by name.
        draws: The source of points.
        view: Told what happens.
        earlier: Another study, whose best points are sampled first.
    """

    def __init__(
        self,
        folder: StudyFolder,
        problem: Problem,
        references: dict[str, Candidate],
        draws: Draws,
        *,
        view: View,
        earlier: Earlier | None = None,
    ) -> None:
        recipe, trials = folder.recipe, folder.trials()
        self._folder = folder
        self._problem = problem
        self._references = references
        self._draws = draws
        self._running: dict[Assignment, RunningTrial] = {}
        self._observations = Observations(recipe, problem, earlier)
        for trial in trials:
            self._observations.add(trial)
        prospects = Prospects(recipe, problem, self._observations)
        self._judgement = Judgement(recipe, self._observations, prospects)
        self._pool = CandidatePool(recipe, problem, draws, prospects)
        self._recorder = Recorder(folder, problem, draws, self._observations, view)
        if earlier is not None:
            for point in earlier.points:
                draws.put_first(point)
        # Patience starts again with each session, so that a search that ran out of it can go on.
        self._first = len(trials)

    # -- the contract ------------------------------------------------------------------------

    def next(self) -> Assignment | Wait | Ended:
        """The next trial; the space, the budget or the user's patience may be exhausted."""
        trials = self._folder.trials()
        start = self._retry(trials) or self._reference(trials)
        if start is None:
            if spent(trials) >= self._folder.recipe.budget:
                # A running trial that is stopped gives part of the budget back.
                judged = self._folder.recipe.judged_by != "none"
                return WAIT if self._running and judged else Ended("budget")
            if self._is_plateau(trials):
                return Ended("plateau")
            start = self._resumed(trials) or self._sampled(trials)
            if start is None:
                return Ended("exhausted")
        running, trial = self._recorder.begin(*start)
        assignment = Assignment(trial.number, trial.run, seeds=self._folder.recipe.seeds)
        self._running[assignment] = running
        return assignment

    def report(self, assignment: Assignment, progress: Progress) -> Decision:
        """Store the record and ask the judge whether to stop the trial."""
        running = self._running[assignment]
        trial = self._recorder.measured(running, progress)
        stops = self._judgement.stops(trial, running.records, self._pool.waiting)
        return Decision.STOP if stops else Decision.CONTINUE

    def ended(self, assignment: Assignment, how: Finished | Failed | Stopped) -> None:
        """Keep the result, or the reason why there is no result."""
        running = self._running.pop(assignment)
        match how:
            case Finished():
                self._recorder.finish(running, how)
            case Failed():
                self._recorder.fail(running, how)
            case Stopped():
                self._recorder.stop(running)

    def died(self, assignment: Assignment, reason: str) -> None:
        """Keep the reason; the trial is not run again."""
        self._recorder.fail(self._running.pop(assignment), Failed(reason))

    def close(self) -> None:
        """Mark the active trials as interrupted: another session runs them again."""
        interrupt_running(self._folder)
        self._recorder.close()

    # -- who is next -------------------------------------------------------------------------

    def _retry(self, trials: Sequence[Trial]) -> _Start | None:
        """The oldest trial that was interrupted and not run again yet."""
        interrupted = next(iter(to_retry(trials)), None)
        if interrupted is None:
            return None
        point = self._draws.take(interrupted.frozen) if interrupted.params else None
        return _Start(retrying(interrupted), point)

    def _reference(self, trials: Sequence[Trial]) -> _Start | None:
        """A reference that the study does not have yet."""
        seen = {trial.name for trial in trials}
        unseen = {name: run for name, run in self._references.items() if name not in seen}
        if not unseen:
            return None
        free = {name: run for name, run in unseen.items() if not self._would_wait(run)} or unseen
        running = [
            (self._references[trial.name], trial.done)
            for trial in self._running.values()
            if trial.name in self._references
        ]
        time = self._observations.time
        seconds = [time.left(run.segments, run.segment_flops) for run in free.values()]
        names, runs = zip(*free.items(), strict=True)
        index = next_in_order(runs, seconds, self._folder.recipe, time.trained, running)
        return _Start(new_trial(runs[index], name=names[index]))

    def _resumed(self, trials: Sequence[Trial]) -> _Start | None:
        """A trial that continues a stopped one, whose steps are stored."""
        stopped = self._judgement.resumes(trials, self._pool.waiting)
        if stopped is None:
            return None
        return _Start(continuing(stopped), self._draws.take(stopped.frozen))

    def _sampled(self, trials: Sequence[Trial]) -> _Start | None:
        """The candidate to train now."""
        point = self._pool.take({trial.key for trial in trials}, self._would_wait)
        if point is None:
            return None
        draw = point.draw
        sampled = Sampled(draw.params, draw.distributions, draw.system_attrs)
        return _Start(new_trial(point.candidate, sampled=sampled), draw.number)

    def _would_wait(self, new: Candidate) -> bool:
        return self._folder.recipe.reuse and any(
            new.would_wait(running.segments, running.done) for running in self._running.values()
        )

    def _is_plateau(self, trials: Sequence[Trial]) -> bool:
        recipe = self._folder.recipe
        if recipe.patience is None:
            return False
        recent = latest(trials, self._first, recipe.patience)
        if recent is None:
            return False
        choice = allowed(trials, recipe.limits)
        return is_plateau(choice, recent, recipe.objectives, self._problem.majority)
