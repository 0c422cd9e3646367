"""What the trials of a study tell about those that run and those that may come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from progsearch.config import Recipe
from progsearch.strategy.acquisition import Values, improvement_per_second
from progsearch.strategy.candidates import Candidate, first_of
from progsearch.strategy.features import Vector, features
from progsearch.strategy.judges import Curve, Evidence, Promise, make_judge
from progsearch.strategy.judges.dominance import foretell
from progsearch.strategy.problem import Subject
from progsearch.strategy.remaining_work import Work
from progsearch.strategy.surrogate import Observation
from progsearch.strategy.warm_start import Earlier
from progsearch.study.dominance import corner, directions, non_dominated
from progsearch.study.trial import STOPPED

# Fractions of a run come from divisions.
_DIGITS = 6


class _Prospect(NamedTuple):
    """A training that may be made: what it is, its costs, and the seconds it takes."""

    vector: Vector
    costs: tuple[float, ...]
    seconds: float


class Knowledge:
    """Learns from trials that ended; judges those that run; chooses among points.

    Args:
        recipe: The study's.
        subject: Its model and task.
        earlier: Another study to learn from.
    """

    def __init__(self, recipe: Recipe, subject: Subject, earlier: Earlier | None = None) -> None:
        self._recipe = recipe
        self._subject = subject
        self._earlier = earlier
        self._full: Curve | None = None
        self._judge = make_judge(recipe.judged_by)
        self._work = Work(recipe.reuse)
        self._curves: dict[int, Curve] = {}
        self._vectors: dict[int, Vector] = {}

    def learn(self, trial: FrozenTrial) -> None:
        """A trial ended, well or not."""
        attributes = trial.user_attrs
        records = attributes.get("records", [])
        if not records:
            return
        segments = [(end, key) for end, key in attributes["segments"]]
        self._work.add(segments, records[-1]["step"])
        timings, steps = attributes.get("timings"), attributes.get("steps_trained")
        if timings and steps:
            seconds = timings["train"] + timings["evaluate"] - timings["saved"]
            self._work.measure(seconds, attributes["costs"]["flops"] * steps / segments[-1][0])
        if trial.state == TrialState.COMPLETE or attributes.get("reason") == STOPPED:
            # A trial that went on with another one has its curve and more.
            self._curves.pop(attributes.get("continues", -1), None)
            self._curves[trial.number] = self._curve(trial, records)
            self._vectors[trial.number] = self._vector(trial)
            if attributes.get("name") == "full":
                self._full = self._curves[trial.number]

    def stops(
        self,
        trial: FrozenTrial,
        records: Sequence[Mapping[str, Any]],
        waiting: Sequence[Candidate],
    ) -> bool:
        """Whether a running trial, measured just now, should be stopped; no baseline is.

        Args:
            trial: The trial.
            records: What it reported.
            waiting: Points that could be trained instead.
        """
        if self._judge is None or "name" in trial.user_attrs:
            return False
        if not self._judge.within_epochs and records[-1]["epoch"] % 1:
            return False
        curve = self._curve(trial, records)
        before = self._curves.get(trial.user_attrs.get("continues", -1))
        if before is not None and curve.reached <= before.reached:
            # It was decided that it goes on from there.
            return False
        others = [other for other in self._curves.values() if other is not before]

        def promises(running: Sequence[Curve]) -> Promise | None:
            done = records[-1]["step"]
            return self._promise({trial.number: trial}, running, [*others, curve], waiting, done)

        evidence = Evidence(others, self._recipe.limits.min_metric, promises)
        return self._judge.stops(curve, evidence)

    def takes_up(
        self, trials: Sequence[FrozenTrial], waiting: Sequence[Candidate]
    ) -> FrozenTrial | None:
        """A stopped trial of ``trials`` that should go on now, rather than a point that waits."""
        if self._judge is None:
            return None
        gone_on = {trial.user_attrs.get("continues") for trial in trials}
        curves = {n: curve for n, curve in self._curves.items() if n not in gone_on}
        stopped = [curve for curve in curves.values() if curve.final is None]
        others = [curve for curve in curves.values() if curve.final is not None]

        def promises(asked: Sequence[Curve]) -> Promise | None:
            return self._promise(trials, asked, list(self._curves.values()), waiting)

        evidence = Evidence(others, self._recipe.limits.min_metric, promises)
        number = self._judge.takes_up(stopped, evidence)
        return None if number is None else trials[number]

    def first(self, runs: Sequence[Candidate], running: Iterable[tuple[Candidate, int]]) -> int:
        """The index of the run that goes first where all of them are to be made.

        Args:
            runs: At least one.
            running: Those that are being made, and the steps that each has behind it.
        """
        seconds = [self._work.seconds_left(run.segments, run.flops) for run in runs]
        return first_of(runs, seconds, self._recipe, self._work.trained, running)

    def best(self, runs: Sequence[Candidate]) -> int:
        """The index of the run that is to be trained next."""
        if len(runs) == 1:
            return 0
        observations = self._observations(self._curves.values(), self._vectors)
        rates = self._rates(map(self._prospect, runs), observations)
        return 0 if rates is None else int(np.argmax(rates))

    def _promise(
        self,
        trials: Mapping[int, FrozenTrial] | Sequence[FrozenTrial],
        asked: Sequence[Curve],
        known: Sequence[Curve],
        waiting: Sequence[Candidate],
        done: int = 0,
    ) -> Promise | None:
        """What some trials and the points that wait promise.

        Args:
            trials: All trials, or those asked about, by number.
            asked: Curves of those asked about.
            known: All curves there are, those asked about among them.
            waiting: The points.
            done: Steps that need not be made again, beside those that are stored.
        """
        if not asked or not waiting or any(foretell(curve, known) is None for curve in asked):
            return None
        rests = {curve.number: self._rest(trials[curve.number], curve, done) for curve in asked}
        vectors = self._vectors | {number: rest.vector for number, rest in rests.items()}
        prospects = [*rests.values(), *map(self._prospect, waiting)]
        rates = self._rates(prospects, self._observations(known, vectors))
        if rates is None:
            return None
        return Promise(rates[: len(asked)].tolist(), float(rates[len(asked) :].max()))

    def _rest(self, trial: FrozenTrial, curve: Curve, done: int) -> _Prospect:
        run = trial.user_attrs
        seconds = self._work.seconds_left(run["segments"], run["segment_flops"], done)
        return _Prospect(self._vector(trial), curve.costs, seconds)

    def _prospect(self, run: Candidate) -> _Prospect:
        seconds = self._work.seconds_left(run.segments, run.flops)
        return _Prospect(run.vector, self._costs(run.costs), seconds)

    def _rates(
        self, prospects: Iterable[_Prospect], observations: Sequence[Observation]
    ) -> Values | None:
        """What each training is expected to add to the front per second."""
        allowed = [curve for curve in self._curves.values() if curve.allowed]
        values = [found for curve in allowed if (found := _values(curve)) is not None]
        if not values:
            return None
        full = None if self._full is None else _values(self._full)
        least, *dearest = corner(values, self._recipe.objectives, self._subject.majority, full)
        if self._recipe.min_metric is not None:
            # What lies below is on no front.
            least = max(least, self._recipe.min_metric)
        vectors, costs, seconds = zip(*prospects, strict=True)
        return improvement_per_second(
            vectors,
            costs,
            seconds,
            observations,
            [values[index] for index in non_dominated(values, directions(len(values[0])))],
            [least, *dearest],
        )

    def _vector(self, trial: FrozenTrial) -> Vector:
        return features(trial.user_attrs["run"], self._subject.n_blocks)

    def _observations(
        self, curves: Iterable[Curve], vectors: Mapping[int, Vector]
    ) -> list[Observation]:
        curves = list(curves)
        found = []
        if self._earlier is not None and self._full is not None and self._full.final is not None:
            found += self._earlier.observations(self._full.final, self._subject.majority)
        for curve in curves:
            vector = vectors[curve.number]
            if curve.final is not None:
                found.append(Observation(vector, curve.final))
            elif (foretold := foretell(curve, curves)) is not None:
                found.append(Observation(vector, *foretold))
        return found

    def _curve(self, trial: FrozenTrial, records: Sequence[Mapping[str, Any]]) -> Curve:
        complete = trial.state == TrialState.COMPLETE
        return Curve(
            trial.number,
            self._costs(trial.user_attrs["costs"]),
            {
                round(record["fraction"], _DIGITS): record["metrics"][self._subject.metric]
                for record in records
            },
            trial.values[0] if complete else None,
            self._recipe.limits.allow(trial) if complete else True,
        )

    def _costs(self, costs: Mapping[str, Any]) -> tuple[float, ...]:
        """The objectives but for the metric; FLOPs stand in for those that must be measured."""
        objectives = self._recipe.objectives[1:]
        return tuple(costs.get(objective, costs["flops"]) for objective in objectives)


def _values(curve: Curve) -> tuple[float, ...] | None:
    return None if curve.final is None else (curve.final, *curve.costs)
