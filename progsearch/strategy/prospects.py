"""The expected gain of trainings for the front of a study, for the time that each takes.

Times are in FLOPs, see `progsearch.strategy.training_time`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from progsearch.config import Recipe
from progsearch.strategy.acquisition import (
    Values,
    expected_improvement,
    learned,
    repeat_improvement,
)
from progsearch.strategy.candidates import Candidate
from progsearch.strategy.features import Vector
from progsearch.strategy.judges import Curve, ExpectedGains
from progsearch.strategy.judges.dominance import predict
from progsearch.strategy.observations import Observations
from progsearch.strategy.problem import Problem
from progsearch.strategy.surrogate import Observation, Surrogate
from progsearch.study.dominance import corner
from progsearch.study.trial import Estimate, Trial

# With fewer measurements no point can be preferred to another.
_FEWEST = 4


_Measurements = list[tuple[int | None, float, float]]


class _Prospect(NamedTuple):
    """A training that may be made: what it is, its costs, and the time it takes."""

    vector: Vector
    costs: tuple[float, ...]
    time: float


class _Outlook(NamedTuple):
    """What is known of the trials with a result: a row each, and the hypervolume's reference."""

    surrogate: Surrogate
    numbers: list[int]
    means: Values
    deviations: Values
    noise: Values
    costs: Values
    corner: list[float]

    @property
    def front(self) -> list[tuple[float, ...]]:
        """Mean metric and costs of the trials."""
        return [(float(m), *c) for m, c in zip(self.means, self.costs, strict=True)]


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
        self._kept: tuple[_Measurements, Surrogate] | None = None

    def best(self, candidates: Sequence[Candidate]) -> int:
        """The index of the candidate that is to be trained next."""
        if len(candidates) == 1:
            return 0
        outlook = self._outlook(self._observed())
        if outlook is None:
            return 0
        return int(np.argmax(_gains(outlook, map(self._of_candidate, candidates))))

    def repeats(self, trials: Sequence[Trial], times: Sequence[float]) -> list[float]:
        """The expected gain of repeating each of some trials with another seed, for its time.

        Args:
            trials: Trials with a result.
            times: What a run of each takes.
        """
        outlook = self._outlook(self._observed())
        if outlook is None:
            return [0.0] * len(trials)
        moves = learned(outlook.deviations, outlook.noise)
        gains = repeat_improvement(outlook.means, moves, outlook.costs, outlook.corner)
        by_number = dict(zip(outlook.numbers, gains, strict=True))
        return [
            float(by_number.get(trial.number, 0.0)) / time
            for trial, time in zip(trials, times, strict=True)
        ]

    def waiting(self, candidates: Sequence[Candidate]) -> float:
        """The largest expected gain of any of some candidates, for its time; 0 without any."""
        outlook = self._outlook(self._observed())
        if outlook is None or not candidates:
            return 0.0
        return float(_gains(outlook, map(self._of_candidate, candidates)).max())

    def estimates(self) -> dict[int, Estimate]:
        """The metric of each trial with a result, by number, from all measurements together."""
        # What another study reached is a hint where to look, and no measurement.
        known = self._observations
        observed = [found for found in self._observed() if found.trial is not None]
        numbers = [n for n, curve in known.curves.items() if curve.final is not None]
        if len(observed) < _FEWEST or not numbers:
            return {}
        vectors = [known.vectors[number] for number in numbers]
        means, deviations = self._surrogate(observed).predict(vectors, numbers)
        return {
            number: Estimate(float(mean), float(deviation))
            for number, mean, deviation in zip(numbers, means, deviations, strict=True)
        }

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
        outlook = self._outlook(self._observations.metrics(known, vectors))
        if outlook is None:
            return None
        rates = _gains(outlook, prospects)
        return ExpectedGains(rates[: len(asked)].tolist(), float(rates[len(asked) :].max()))

    def _surrogate(self, observed: Sequence[Observation]) -> Surrogate:
        """The process of some observations; kept until others are asked for."""
        # A trial's features never change.
        measured = [(o.trial, o.metric, o.deviation) for o in observed]
        if self._kept is None or self._kept[0] != measured:
            self._kept = (measured, Surrogate(observed))
        return self._kept[1]

    def _observed(self) -> list[Observation]:
        """The metrics of all trials that have ended."""
        known = self._observations
        return known.metrics(known.curves.values(), known.vectors)

    def _of_candidate(self, run: Candidate) -> _Prospect:
        time = self._observations.time.left(run.segments, run.segment_flops)
        costs = self._observations.costs(run.costs, run.vector)
        return _Prospect(run.vector, costs, time)

    def _of_rest(self, trial: Trial, curve: Curve, done: int) -> _Prospect:
        vector = self._observations.vectors.get(trial.number)
        if vector is None:
            vector = self._observations.vector(trial)
        time = self._observations.time.left(trial.segments, trial.segment_flops, done)
        return _Prospect(vector, curve.costs, time)

    def _outlook(self, observed: Sequence[Observation]) -> _Outlook | None:
        """What is known of the trials that may stand on the front; None if it is too little."""
        known = self._observations
        curves = [c for c in known.curves.values() if c.allowed and c.final is not None]
        if len(observed) < _FEWEST or not curves:
            return None
        surrogate = self._surrogate(observed)
        vectors = [known.vectors[curve.number] for curve in curves]
        means, deviations = surrogate.predict(vectors, [curve.number for curve in curves])
        costs = np.array([curve.costs for curve in curves])
        full = None if known.full is None else (known.full.final or 0.0, *known.full.costs)
        values = [(float(mean), *cost) for mean, cost in zip(means, costs, strict=True)]
        least, *dearest = corner(values, self._recipe.objectives, self._problem.majority, full)
        if self._recipe.min_metric is not None:
            # Trials below are not on the front.
            least = max(least, self._recipe.min_metric)
        return _Outlook(
            surrogate,
            [curve.number for curve in curves],
            means,
            deviations,
            surrogate.noise(vectors),
            costs,
            [least, *dearest],
        )


def _gains(outlook: _Outlook, prospects: Iterable[_Prospect]) -> Values:
    """The expected gain of each new training for the front, for its time.

    That is the expected growth of the hypervolume (Emmerich, Giannakoglou and Naujoks, IEEE TEC
    10(4), 2006) by what a noisy run can show, over its time (expected improvement per second:
    Snoek, Larochelle and Adams, arXiv 1206.2944, section 3.2).
    """
    vectors, costs, times = zip(*prospects, strict=True)
    means, deviations = outlook.surrogate.predict(vectors)
    moves = learned(deviations, outlook.surrogate.noise(vectors))
    expected = expected_improvement(means, moves, np.array(costs), outlook.front, outlook.corner)
    return np.asarray(expected / np.array(times))
