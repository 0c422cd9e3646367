"""The expected gain of trainings for the front of a study, per second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from progsearch.config import Recipe
from progsearch.strategy.acquisition import Values, improvement_per_second
from progsearch.strategy.candidates import Candidate
from progsearch.strategy.features import Vector
from progsearch.strategy.judges import Curve, ExpectedGains
from progsearch.strategy.judges.dominance import predict
from progsearch.strategy.observations import Observations
from progsearch.strategy.problem import Problem
from progsearch.strategy.surrogate import Observation
from progsearch.study.dominance import corner, directions, non_dominated
from progsearch.study.trial import Trial


class _Prospect(NamedTuple):
    """A training that may be made: what it is, its costs, and the seconds it takes."""

    vector: Vector
    costs: tuple[float, ...]
    seconds: float


class Prospects:
    """Values candidates, and the rest of trials, by what is known so far.

    Args:
        recipe: The study's.
        problem: Its model and task.
        observations: Of its trials.
    """

    def __init__(self, recipe: Recipe, problem: Problem, observations: Observations) -> None:
        self._recipe = recipe
        self._problem = problem
        self._observations = observations

    def best(self, candidates: Sequence[Candidate]) -> int:
        """The index of the candidate that is to be trained next."""
        if len(candidates) == 1:
            return 0
        known = self._observations
        observed = known.metrics(known.curves.values(), known.vectors)
        rates = self._gains(map(self._of_candidate, candidates), observed)
        return 0 if rates is None else int(np.argmax(rates))

    def gains(
        self,
        asked: Sequence[tuple[Trial, Curve]],
        known: Sequence[Curve],
        waiting: Sequence[Candidate],
        done: int = 0,
    ) -> ExpectedGains | None:
        """The expected gains of the rest of some trials and of the waiting candidates.

        Args:
            asked: The trials, with their measurements so far.
            known: All curves there are, those of the trials among them.
            waiting: The candidates.
            done: Steps that need not be made again, beside those that are stored.

        Returns:
            None if too little is known, or there is nothing to compare.
        """
        if not asked or not waiting:
            return None
        if any(predict(curve, known) is None for _, curve in asked):
            return None
        rests = {trial.number: self._of_rest(trial, curve, done) for trial, curve in asked}
        vectors = self._observations.vectors | {n: rest.vector for n, rest in rests.items()}
        prospects = [*rests.values(), *map(self._of_candidate, waiting)]
        rates = self._gains(prospects, self._observations.metrics(known, vectors))
        if rates is None:
            return None
        return ExpectedGains(rates[: len(asked)].tolist(), float(rates[len(asked) :].max()))

    def _of_candidate(self, run: Candidate) -> _Prospect:
        seconds = self._observations.time.left(run.segments, run.segment_flops)
        return _Prospect(run.vector, self._observations.costs(run.costs), seconds)

    def _of_rest(self, trial: Trial, curve: Curve, done: int) -> _Prospect:
        vector = self._observations.vectors.get(trial.number)
        if vector is None:
            vector = self._observations.vector(trial)
        seconds = self._observations.time.left(trial.segments, trial.segment_flops, done)
        return _Prospect(vector, curve.costs, seconds)

    def _gains(
        self, prospects: Iterable[_Prospect], observed: Sequence[Observation]
    ) -> Values | None:
        """The expected gain of each training for the front, per second."""
        curves = self._observations.curves.values()
        values = [found for c in curves if c.allowed and (found := _values(c)) is not None]
        if not values:
            return None
        full = self._observations.full
        least, *dearest = corner(
            values,
            self._recipe.objectives,
            self._problem.majority,
            None if full is None else _values(full),
        )
        if self._recipe.min_metric is not None:
            # Trials below are not on the front.
            least = max(least, self._recipe.min_metric)
        vectors, costs, seconds = zip(*prospects, strict=True)
        return improvement_per_second(
            vectors,
            costs,
            seconds,
            observed,
            [values[index] for index in non_dominated(values, directions(len(values[0])))],
            [least, *dearest],
        )


def _values(curve: Curve) -> tuple[float, ...] | None:
    return None if curve.final is None else (curve.final, *curve.costs)
