"""What is known from the ended trials of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from progsearch.config import Recipe
from progsearch.costs import RunCost
from progsearch.strategy.features import Vector, features
from progsearch.strategy.forgetting import Forgetting
from progsearch.strategy.judges import Curve
from progsearch.strategy.judges.dominance import predict
from progsearch.strategy.problem import Problem
from progsearch.strategy.surrogate import Observation
from progsearch.strategy.training_time import TrainingTime
from progsearch.strategy.warm_start import Earlier
from progsearch.study.results import Record
from progsearch.study.trial import FULL, Trial

# Fractions of a run come from divisions.
_DIGITS = 6


class Observations:
    """Collects the measurements of ended trials, and what they trained.

    Args:
        recipe: The study's.
        problem: Its model and task.
        earlier: Another study to learn from.

    Attributes:
        time: What is trained, and how much training is left of a run.
        vectors: `features` of the runs of the same trials, by number.
        repeats: What runs of them with other seeds reached, by their number.
    """

    def __init__(self, recipe: Recipe, problem: Problem, earlier: Earlier | None = None) -> None:
        self._recipe = recipe
        self._problem = problem
        self._earlier = earlier
        self.time = TrainingTime(recipe.reuse)
        self._curves: dict[int, Curve] = {}
        self.vectors: dict[int, Vector] = {}
        self.repeats: dict[int, list[float]] = {}
        self._forgetting = Forgetting()
        self._forgets = "forgetting" in recipe.objectives
        self._is_outdated = False
        self._run_costs: dict[int, RunCost] = {}
        self._full: int | None = None

    @property
    def curves(self) -> dict[int, Curve]:
        """Of the trials that finished or were stopped, by number.

        Of those that continue a stopped one it holds the longer curve alone.
        """
        if self._is_outdated:
            self._is_outdated = False
            for number, curve in self._curves.items():
                self._curves[number] = replace(curve, costs=self._costs_of(number))
        return self._curves

    @property
    def full(self) -> Curve | None:
        """The curve of full fine-tuning, at its best learning rate so far."""
        return None if self._full is None else self.curves[self._full]

    def add(self, trial: Trial) -> None:
        """A trial ended, with or without a result."""
        records = trial.records
        if not records:
            return
        self.time.add_trained(trial.segments, records[-1].step)
        if trial.repeats is not None:
            if trial.is_usable:
                self.repeats.setdefault(trial.repeats, []).append(trial.measured)
                self._learn_forgetting(trial, trial.repeats)
        elif trial.is_complete or trial.is_stopped:
            if trial.continues is not None:
                self._curves.pop(trial.continues, None)
            self._run_costs[trial.number] = trial.costs
            self.vectors[trial.number] = self.vector(trial)
            costs = () if self._forgets else self.costs(trial.costs, self.vectors[trial.number])
            self._curves[trial.number] = self._curve(trial, records, costs)
            # What runs forget is asked of a model of all, so all at once when they are asked for.
            self._is_outdated = self._forgets
            if trial.name == FULL and trial.is_usable:
                before = None if self._full is None else self._curves[self._full].final
                if before is None or trial.measured > before:
                    self._full = trial.number
            if trial.is_usable:
                self._learn_forgetting(trial, trial.number)

    def curve(self, trial: Trial, records: Sequence[Record]) -> Curve:
        """A trial as judges see it, with what it was measured at so far."""
        vector = self.vectors.get(trial.number)
        costs = self.costs(trial.costs, self.vector(trial) if vector is None else vector)
        return self._curve(trial, records, costs)

    def _curve(self, trial: Trial, records: Sequence[Record], costs: tuple[float, ...]) -> Curve:
        return Curve(
            trial.number,
            costs,
            {round(r.fraction, _DIGITS): r.metrics[self._problem.metric] for r in records},
            trial.measured if trial.is_complete else None,
            self._recipe.limits.allow(trial.measured, trial.costs) if trial.is_complete else True,
        )

    def vector(self, trial: Trial) -> Vector:
        """The `features` of a trial's run."""
        return features(trial.run, self._problem.n_blocks)

    def costs(self, costs: RunCost, vector: Vector) -> tuple[float, ...]:
        """The objectives of a run except the metric, as far as they are known before its end.

        FLOPs replace seconds; forgetting is bounded, see `Forgetting`.

        Args:
            costs: Of the run.
            vector: Its `features`.
        """
        return tuple(
            self._forgetting.least(vector)
            if name == "forgetting"
            else float(getattr(costs, name, costs.flops))
            for name in self._recipe.objectives[1:]
        )

    def _learn_forgetting(self, run: Trial, number: int) -> None:
        """Take what a run of trial ``number`` forgot into account for all curves."""
        if not self._forgets:
            return
        self._forgetting.add(number, self.vector(run), run.metrics["forgetting"])
        self._is_outdated = True

    def _costs_of(self, number: int) -> tuple[float, ...]:
        costs = list(self.costs(self._run_costs[number], self.vectors[number]))
        measured = self._forgetting.of(number)
        if measured is not None:
            costs[self._recipe.objectives[1:].index("forgetting")] = measured
        return tuple(costs)

    def metrics(self, curves: Iterable[Curve], vectors: Mapping[int, Vector]) -> list[Observation]:
        """The final metrics of runs, measured or predicted, the earlier study's too.

        Args:
            curves: Of trials of this study.
            vectors: Of their runs, by number.
        """
        curves = list(curves)
        found = []
        if self._earlier is not None and self.full is not None and self.full.final is not None:
            found += self._earlier.observations(self.full.final, self._problem.majority)
        for curve in curves:
            vector = vectors[curve.number]
            if curve.final is not None:
                finals = [curve.final, *self.repeats.get(curve.number, ())]
                found += [Observation(vector, f, trial=curve.number) for f in finals]
            elif (predicted := predict(curve, curves)) is not None:
                found.append(Observation(vector, *predicted, trial=curve.number))
        return found
