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
from progsearch.strategy.references import Reference
from progsearch.strategy.repeats import Repeats
from progsearch.strategy.replay import replay
from progsearch.strategy.samplers import Draws
from progsearch.strategy.source import (
    WAIT,
    Assignment,
    Decision,
    Ended,
    Failed,
    Finished,
    Lost,
    Progress,
    Stopped,
    TrialSource,
    Wait,
)
from progsearch.strategy.tuning import Tuning
from progsearch.strategy.warm_start import Earlier
from progsearch.study.folder import StudyFolder
from progsearch.study.front import allowed
from progsearch.study.new_trials import (
    NewTrial,
    Sampled,
    continuing,
    new_trial,
    repeating,
    retrying,
)
from progsearch.study.progress import (
    interrupt_running,
    latest,
    missing_references,
    spent,
    to_retry,
)
from progsearch.study.results import Record
from progsearch.study.trial import Trial
from progsearch.study.view import Ending, View


class _Start(NamedTuple):
    """A trial to begin, and the number of its point if it was sampled."""

    trial: NewTrial
    point: int | None = None


class StudySource(TrialSource):
    """Hands out interrupted trials, then the references, then repeated, resumed and sampled ones.

    After each measurement it asks whether to stop the trial: of a reference its tuning
    (`Tuning`), else the judge (`Judgement`).

    Args:
        folder: The study; nothing else may write trials to it.
        problem: Its model and task.
        references: What is trained before any run is sampled.
        draws: The source of points.
        view: Told what happens.
        earlier: Another study, whose best points are sampled first.
        only_references: Whether nothing is searched.
    """

    def __init__(
        self,
        folder: StudyFolder,
        problem: Problem,
        references: Sequence[Reference],
        draws: Draws,
        *,
        view: View,
        earlier: Earlier | None = None,
        only_references: bool = False,
    ) -> None:
        recipe, trials = folder.recipe, folder.trials()
        self._folder = folder
        self._problem = problem
        self._draws = draws
        self._running: dict[Assignment, RunningTrial] = {}
        self._observations = Observations(recipe, problem, earlier)
        for trial in trials:
            self._observations.add(trial)
        prospects = Prospects(recipe, problem, self._observations)
        self._tuning = Tuning(references, recipe, problem)
        self._repeats = Repeats(folder, problem, self._observations, prospects)
        self._judgement = Judgement(recipe, self._observations, prospects)
        self._pool = CandidatePool(recipe, problem, draws, prospects)
        self._recorder = Recorder(folder, problem, draws, self._observations, prospects, view)
        if earlier is not None:
            for point in earlier.points:
                draws.put_first(point)
        self._waiting = {} if only_references else replay(trials, recipe, draws, self._pool)
        self._first = len(trials)
        # Patience starts again after a search that ended, so that one that ran out of it can go
        # on, and not after one that was interrupted.
        self._patient_since = self._recorder.session.follows_end_at
        self._only_references = only_references
        self._is_exhausted = False

    # -- the contract ------------------------------------------------------------------------

    def next(self) -> Assignment | Wait | Ended:
        """The next trial; the space, the budget or the user's patience may be exhausted."""
        if any(running.is_alone for running in self._running.values()):
            return WAIT
        trials = self._folder.trials()
        start = self._retry(trials)
        if start == WAIT:
            return WAIT
        start = start or self._reference(trials)
        if start is None and self._only_references:
            return WAIT if self._running else self._end("budget")
        if start is None and not any(r.is_reference for r in self._running.values()):
            start = self._repeated(trials, self._repeats.due(trials))
        if start is None and self._repeats.leave_room(trials):
            start = self._searched(trials)
        if start is None and all(running.is_repeat for running in self._running.values()):
            # Before the end, so that places that come late are repeated, too.
            start = self._repeated(trials, self._repeats.due(trials, at_end=True))
        left = self._folder.recipe.budget - spent(trials)
        if start is None and left > 0 and not self._running:
            start = self._searched(trials)
        if start is None:
            # What runs may be stopped, which gives a part of the budget back, or change the front.
            return WAIT if self._running else self._end(self._ending(trials))
        running, trial = self._recorder.begin(*start)
        seeds = self._folder.recipe.seeds if trial.repeats is None else 1
        assignment = Assignment(trial.number, trial.run, seeds=seeds)
        self._running[assignment] = running
        for other in self._running.values():
            other.had_company |= len(self._running) > 1
        return assignment

    def report(self, assignment: Assignment, progress: Progress) -> Decision:
        """Store the record and ask whether to stop the trial; repeats are trained to their end."""
        running = self._running[assignment]
        trial = self._recorder.measured(running, progress)
        if trial.repeats is not None:
            stops = False
        elif trial.is_baseline:
            stops = self._tuning.stops(trial, self._folder.trials(), self._records())
        else:
            stops = self._judgement.stops(trial, running.records, self._pool.waiting)
        return Decision.STOP if stops else Decision.CONTINUE

    def ended(self, assignment: Assignment, how: Finished | Failed | Stopped | Lost) -> None:
        """Keep the result, or the reason why there is no result."""
        running = self._running.pop(assignment)
        match how:
            case Finished():
                self._recorder.finish(running, how)
            case Failed():
                self._recorder.fail(running, how)
            case Stopped():
                self._recorder.stop(running)
            case Lost():
                self._recorder.lose(running, how)

    def close(self) -> None:
        """Mark the active trials as interrupted: another session runs them again."""
        interrupt_running(self._folder)
        self._recorder.close()

    # -- who is next -------------------------------------------------------------------------

    def _retry(self, trials: Sequence[Trial]) -> _Start | Wait | None:
        """The oldest trial that was interrupted and not run again yet."""
        # What this session stops trying waits for the next one.
        missing = [t for t in missing_references(trials) if t.number < self._first]
        waiting = [
            trial
            for trial in [*to_retry(trials), *missing]
            if trial.is_baseline or not self._only_references
        ]
        interrupted = next(iter(waiting), None)
        if interrupted is None:
            return None
        again = retrying(interrupted)
        if self._running and again.user_attrs.get("alone"):
            return WAIT
        is_new = interrupted.params and interrupted.repeats is None
        point = self._waiting.pop(interrupted.number, None)
        if point is None and is_new:
            point = self._draws.take(interrupted.frozen)
        return _Start(again, point)

    def _reference(self, trials: Sequence[Trial]) -> _Start | None:
        """A run of a reference that is missing."""
        starts = self._tuning.next(trials, self._records())
        if not starts:
            return None
        runs = [start.reference.at(start.rate) for start in starts]
        free = [n for n, run in enumerate(runs) if not self._would_wait(run)] or range(len(runs))
        time = self._observations.time
        index = free[
            next_in_order(
                [runs[n] for n in free],
                [time.left(runs[n].segments, runs[n].segment_flops) for n in free],
                self._folder.recipe,
                time.trained,
                [
                    (self._tuning.run_of(self._folder.trial(running.number)), running.done)
                    for running in self._running.values()
                    if running.is_reference
                ],
            )
        ]
        start = starts[index]
        if start.continues is not None:
            return _Start(continuing(start.continues))
        return _Start(new_trial(runs[index], name=start.reference.name))

    def _records(self) -> dict[int, list[Record]]:
        """The measurements of the active trials, by number."""
        return {running.number: running.records for running in self._running.values()}

    def _repeated(self, trials: Sequence[Trial], trial: Trial | None) -> _Start | None:
        """A run of ``trial``, if there is one, with another seed."""
        if trial is None:
            return None
        return _Start(repeating(trial, self._repeats.run_of(trial, trials)))

    def _searched(self, trials: Sequence[Trial]) -> _Start | None:
        """What promises most: a repeat, the rest of a stopped trial, or a candidate."""
        self._is_exhausted = False
        if self._is_plateau(trials):
            return None
        promising = self._repeats.promising(trials, self._pool.waiting)
        start = self._repeated(trials, promising) or self._resumed(trials) or self._sampled(trials)
        self._is_exhausted = start is None
        return start

    def _end(self, ending: Ending) -> Ended:
        self._recorder.session.end()
        return Ended(ending)

    def _ending(self, trials: Sequence[Trial]) -> Ending:
        if spent(trials) >= self._folder.recipe.budget:
            return "budget"
        return "exhausted" if self._is_exhausted else "plateau"

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
        recent = latest(trials, self._patient_since, recipe.patience)
        if recent is None:
            return False
        choice = allowed(trials, recipe.limits)
        return is_plateau(choice, recent, recipe.objectives, self._problem.majority)
