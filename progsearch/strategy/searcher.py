"""The searcher that Ray Tune asks for trials, and that keeps their results in the study."""

from __future__ import annotations

import itertools
import logging
import math
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial
from ray.tune.search import Searcher

from progsearch.config import RunConfig, parse
from progsearch.errors import ScheduleError
from progsearch.space.settings import choice_of
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.knowledge import Knowledge
from progsearch.strategy.plateau import is_plateau
from progsearch.strategy.problem import Subject
from progsearch.strategy.samplers import Draw, Draws, set_constraints
from progsearch.strategy.warm_start import Earlier
from progsearch.study.folder import StudyFolder
from progsearch.study.progress import Session, latest, spent, to_retry
from progsearch.study.trial import STOPPED
from progsearch.study.view import Ending, View
from progsearch.workers.halt import Halt
from progsearch.workers.worker import Report, worker_settings

# How often a point that is known, or does not fit the model, is drawn again: first from the
# sampler; then at random, since a sampler may insist on a few points of a small space.
_SAMPLER_TRIES = 20
_TRIES = 520
# How many points are kept back because a running trial is making their first steps; beyond that
# a worker waits for those steps, since a sampler that insists on such points knows why.
_MOST_HELD = 2
# How many that were not chosen stay to be chosen from, the newest ones.
_MOST_KEPT = 1024

_log = logging.getLogger(__name__)


@dataclass
class _Running:
    """A trial that a worker has.

    Attributes:
        number: The trial's.
        point: The number of its point, where it was drawn.
        segments: End step and key of its segments, where other trials may share them.
        records: What it reported so far.
    """

    number: int
    point: int | None
    segments: tuple[tuple[int, str], ...]
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Steps it is known to have behind it."""
        return self.records[-1]["step"] if self.records else 0


class StudySearcher(Searcher):  # type: ignore[misc]
    """Hands out a study's trials: interrupted ones, then the baselines, then drawn ones.

    A trial enters the study whole and RUNNING when it is handed out, and leaves it as COMPLETE,
    as FAIL with the reason, or as PRUNED where a scheduler stopped it.

    Args:
        folder: The study; nothing else may write trials to it.
        subject: Its model and task.
        baselines: The runs that are to be made before any is drawn, by name.
        draws: Where points come from.
        parallel: How many trials run at once; no more are handed out, so that each is drawn
            with all results that are there.
        halt: Asked before a trial is handed out.
        session: Counts the trials that finish.
        view: Told what happens.
        earlier: Another study, whose best points are drawn first.

    Attributes:
        ending: Why no more trials are handed out; None while they are.
    """

    def __init__(
        self,
        folder: StudyFolder,
        subject: Subject,
        baselines: dict[str, Candidate],
        draws: Draws,
        *,
        parallel: int,
        halt: Halt,
        session: Session,
        view: View,
        earlier: Earlier | None = None,
    ) -> None:
        super().__init__()
        self.ending: Ending | None = None
        self._folder = folder
        self._study = folder.study
        self._subject = subject
        self._baselines = baselines
        self._draws = draws
        self._parallel = parallel
        self._halt = halt
        self._session = session
        self._view = view
        self._running: dict[str, _Running] = {}
        # Drawn, but kept back while a running trial makes steps that they need, too.
        self._held: list[tuple[Draw, Candidate]] = []
        recipe = folder.recipe
        self._knowledge = Knowledge(recipe, subject, earlier)
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            self._knowledge.learn(trial)
        if earlier is not None:
            for point in earlier.points:
                draws.put_first(point)
        # Patience begins anew with each session, so that a search that ran out of it can go on.
        self._first = len(trials)
        self._worker_settings = worker_settings(folder, seeds=recipe.seeds)

    # -- what Ray Tune asks and tells --------------------------------------------------------

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial; None while one must wait, ``FINISHED`` when there is none."""
        if self._halt.ending is not None:
            self.ending = self._halt.ending
            return str(Searcher.FINISHED)
        if len(self._running) >= self._parallel:
            return None
        started = self._start_next()
        if started is None:
            return None if self.ending is None else str(Searcher.FINISHED)
        self._running[trial_id] = started
        if self._halt.gpus is not None:
            self._halt.gpus.start(trial_id)
        trial = self._trial(started.number)
        self._view.trial_started(trial)
        run = parse(RunConfig, trial.user_attrs["run"], f"trial {trial.number}")
        return {"number": trial.number, "run": run, **self._worker_settings}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Keep a record that is not a trial's last."""
        self._keep_record(self._running[trial_id], result["report"])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell how a trial ended; a worker's death is told by `worker_died`."""
        if error:
            return
        running = self._release(trial_id)
        report: Report | None = (result or {}).get("report")
        if report is None or (report.result is None and report.failure is None):
            self._stop(running, report)
        elif report.result is None:
            self._end(running, TrialState.FAIL, reason=report.failure)
        else:
            self._keep_record(running, report)
            self._complete(running, report.result)

    def stops(self, trial_id: str, report: Report) -> bool:
        """Whether a running trial is to be stopped, by what it reports now."""
        if report.record is None or report.result is not None:
            return False
        running = self._running[trial_id]
        return self._knowledge.stops(
            self._trial(running.number), [*running.records, report.record], self._waiting
        )

    def worker_died(self, trial_id: str, reason: str) -> None:
        """A trial's worker process is gone."""
        running = self._release(trial_id)
        if self._halt.ending is None:
            self._end(running, TrialState.FAIL, reason=reason)

    def _release(self, trial_id: str) -> _Running:
        if self._halt.gpus is not None:
            self._halt.gpus.stop(trial_id)
        return self._running.pop(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study holds all there is."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the study holds all there is."""

    # -- handing out -------------------------------------------------------------------------

    def _start_next(self) -> _Running | None:
        trials = self._study.get_trials(deepcopy=False)
        for interrupted in to_retry(trials):
            point = self._draws.take(interrupted) if interrupted.params else None
            attributes = {**interrupted.user_attrs, "retry_of": interrupted.number}
            del attributes["reason"]
            return self._add(attributes, interrupted, point)
        seen = {trial.user_attrs.get("name") for trial in trials}
        unseen = {name: b for name, b in self._baselines.items() if name not in seen}
        if unseen:
            free = {name: b for name, b in unseen.items() if not self._would_wait(b)} or unseen
            running = [
                (self._baselines[name], run.done)
                for run in self._running.values()
                if (name := trials[run.number].user_attrs.get("name")) in self._baselines
            ]
            names, runs = zip(*free.items(), strict=True)
            name = names[self._knowledge.first(runs, running)]
            attributes = {"name": name, **unseen[name].attributes()}
            return self._add(attributes)
        if spent(trials) >= self._folder.recipe.budget:
            # A running trial that is stopped gives part of the budget back.
            if not (self._running and self._folder.recipe.judged_by != "none"):
                self.ending = "budget"
            return None
        if self._is_plateau(trials):
            self.ending = "plateau"
            return None
        if stopped := self._knowledge.takes_up(trials, self._waiting):
            return self._go_on(stopped)
        drawn = self._next_point({trial.user_attrs["key"] for trial in trials})
        if drawn is None:
            self.ending = "exhausted"
            return None
        draw, new = drawn
        return self._add(new.attributes(), draw, draw.number)

    def _is_plateau(self, trials: list[FrozenTrial]) -> bool:
        patience, limits = self._folder.recipe.patience, self._folder.recipe.limits
        if patience is None:
            return False
        recent = latest(trials, self._first, patience)
        if recent is None:
            return False
        allowed = [t for t in trials if t.state == TrialState.COMPLETE and limits.allow(t)]
        objectives = self._folder.recipe.objectives
        return is_plateau(allowed, recent, objectives, self._subject.majority)

    def _would_wait(self, new: Candidate) -> bool:
        return self._folder.recipe.reuse and any(
            new.would_wait(running.segments, running.done) for running in self._running.values()
        )

    def _go_on(self, stopped: FrozenTrial) -> _Running:
        """A trial that goes on where a stopped one ended: its steps are stored."""
        names = ("schedule", "key", "run", "costs", "segments", "segment_flops")
        attributes = {name: stopped.user_attrs[name] for name in names}
        attributes["continues"] = stopped.number
        return self._add(attributes, stopped, self._draws.take(stopped))

    @property
    def _waiting(self) -> list[Candidate]:
        return [point for _, point in self._held]

    def _next_point(self, known: set[str]) -> tuple[Draw, Candidate] | None:
        """The point to train now, if there is one, such that it need not wait for a trial.

        Where there are candidates to choose from, the most promising is taken. The others stay
        candidates, so that there are more of them each time, unless the sampler learns: what it
        draws later is better informed. Where there are none, another point is drawn in place of
        one that would have to wait, which is held for later.
        """
        while self._draws.puts_first:
            if first := self._draw(known, tries=1):
                return first
        pool = [point for point in self._held if point[1].key not in known]
        known = known | {candidate.key for _, candidate in pool}
        n_candidates = self._folder.recipe.n_candidates
        chooses = n_candidates > 1
        for _ in range(n_candidates if chooses else 0):
            self._draw_into(pool, known, tries=1)
        while not (free := [point for point in pool if not self._would_wait(point[1])]):
            if len(pool) >= _MOST_HELD or not self._draw_into(pool, known):
                break
        if not pool:
            return None
        free = free or pool
        chosen = free[self._knowledge.best([c for _, c in free]) if chooses else 0]
        self._hold([point for point in pool if point is not chosen])
        return chosen

    def _hold(self, points: list[tuple[Draw, Candidate]]) -> None:
        """Keep points for later, but for those of which others as good can be drawn."""
        recipe, n_kept = self._folder.recipe, len(points)
        if recipe.n_candidates > 1 and recipe.sampler != "grid":
            n_kept = min(n_kept, _MOST_KEPT) if recipe.keeps_candidates else 0
        n_dropped = len(points) - n_kept
        for draw, _ in points[:n_dropped]:
            self._draws.throw_away(draw.number)
        self._held = points[n_dropped:]

    def _draw_into(
        self, pool: list[tuple[Draw, Candidate]], known: set[str], tries: int = _TRIES
    ) -> bool:
        """Draw a point that is not ``known`` and add it to both; whether one was found."""
        drawn = self._draw(known, tries)
        if drawn is not None:
            pool.append(drawn)
            known.add(drawn[1].key)
        return drawn is not None

    def _draw(self, known: set[str], tries: int = _TRIES) -> tuple[Draw, Candidate] | None:
        """A point whose training is not known yet; None where none is found."""
        recipe = self._folder.recipe
        # A grid ends by itself, and most of its points may be known.
        attempts = itertools.count() if recipe.sampler == "grid" else range(tries)
        for attempt in attempts:
            draw = self._draws.draw(at_random=attempt >= _SAMPLER_TRIES)
            if draw is None:
                return None
            try:
                choice = choice_of(draw.values, recipe.training)
                new = candidate(choice, recipe, self._subject)
            except ScheduleError as error:
                _log.info("a point does not fit the model: %s", error)
            else:
                affordable = recipe.limits.affordable(new.cost.updated_parameters)
                if affordable and new.key not in known:
                    return draw, new
            self._draws.throw_away(draw.number)
        return None

    def _add(
        self,
        attributes: dict[str, Any],
        drawn: Draw | FrozenTrial | None = None,
        point: int | None = None,
    ) -> _Running:
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=drawn.params if drawn else None,
                distributions=drawn.distributions if drawn else None,
                system_attrs=drawn.system_attrs if drawn else None,
                user_attrs=attributes,
            )
        )
        segments = tuple((end, key) for end, key in attributes["segments"])
        return _Running(len(self._study.get_trials(deepcopy=False)) - 1, point, segments)

    # -- keeping results ---------------------------------------------------------------------

    def _keep_record(self, running: _Running, report: Report) -> None:
        # Tune repeats the last report of a trial that it stops for another reason.
        if report.record is not None and report.record["step"] > running.done:
            running.records.append(report.record)
            self._view.record(self._trial(running.number), report.record)

    def _stop(self, running: _Running, report: Report | None) -> None:
        """Keep what a trial that a judge gave up has come to; it has no values."""
        if report is not None:
            self._keep_record(running, report)
            for name, value in (report.spent or {}).items():
                self._folder.set_trial_attr(running.number, name, value)
        self._end(running, TrialState.PRUNED, reason=STOPPED)

    def _complete(self, running: _Running, result: dict[str, Any]) -> None:
        for name, value in result.items():
            self._folder.set_trial_attr(running.number, name, value)
        costs = self._trial(running.number).user_attrs["costs"]
        found = {
            "metric": result["metrics"][self._subject.metric],
            "updated_parameters": costs["updated_parameters"],
            "flops": costs["flops"],
            "seconds": result["timings"]["train"] + result["timings"]["evaluate"],
            "peak_memory": float(result["peak_memory"]),
        }
        values = [found[objective] for objective in self._folder.recipe.objectives]
        if all(math.isfinite(value) for value in values):
            self._end(running, TrialState.COMPLETE, values=values)
        else:
            self._end(running, TrialState.FAIL, reason=f"a result is not a number: {values}")

    def _end(
        self,
        running: _Running,
        state: TrialState,
        *,
        values: list[float] | None = None,
        reason: str | None = None,
    ) -> None:
        self._folder.set_trial_attr(running.number, "records", running.records)
        if reason is not None:
            self._folder.set_trial_attr(running.number, "reason", reason)
        violations = {} if values is None else self._violations(running.number, values)
        set_constraints(self._study, running.number, violations)
        self._study.tell(running.number, values, state)
        trial = self._trial(running.number)
        self._knowledge.learn(trial)
        if running.point is not None:
            if values is None:
                self._draws.throw_away(running.point)
            else:
                self._draws.tell(running.point, values, violations)
        self._session.count_trial()
        self._view.trial_finished(trial)

    def _violations(self, number: int, values: list[float]) -> dict[str, float]:
        updated = self._trial(number).user_attrs["costs"]["updated_parameters"]
        return self._folder.recipe.limits.violations(values[0], updated)

    def _trial(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]
