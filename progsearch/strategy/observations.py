"""What is known from the ended trials of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from progsearch.config import Recipe
from progsearch.costs import RunCost
from progsearch.strategy.features import Vector, features
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
        time: What is trained, and how long training takes.
        curves: Of the trials that finished or were stopped, by number; of those that continue a
            stopped one, the longer curve alone.
        vectors: `features` of the runs of the same trials, by number.
        repeats: What runs of them with other seeds reached, by their number.
        full: The curve of full fine-tuning, at its best learning rate so far.
    """

    def __init__(self, recipe: Recipe, problem: Problem, earlier: Earlier | None = None) -> None:
        self._recipe = recipe
        self._problem = problem
        self._earlier = earlier
        self.time = TrainingTime(recipe.reuse)
        self.curves: dict[int, Curve] = {}
        self.vectors: dict[int, Vector] = {}
        self.repeats: dict[int, list[float]] = {}
        self.full: Curve | None = None

    def add(self, trial: Trial) -> None:
        """A trial ended, with or without a result."""
        records = trial.records
        if not records:
            return
        self.time.add_trained(trial.segments, records[-1].step)
        if trial.timings and trial.steps_trained:
            flops = trial.costs.flops * trial.steps_trained / trial.segments[-1][0]
            self.time.measure(trial.timings.spent, flops)
        if trial.repeats is not None:
            if trial.is_usable:
                self.repeats.setdefault(trial.repeats, []).append(trial.measured)
        elif trial.is_complete or trial.is_stopped:
            if trial.continues is not None:
                self.curves.pop(trial.continues, None)
            self.curves[trial.number] = self.curve(trial, records)
            self.vectors[trial.number] = self.vector(trial)
            if trial.name == FULL and trial.is_usable:
                before = None if self.full is None else self.full.final
                if before is None or trial.measured > before:
                    self.full = self.curves[trial.number]

    def curve(self, trial: Trial, records: Sequence[Record]) -> Curve:
        """A trial as judges see it, with what it was measured at so far."""
        return Curve(
            trial.number,
            self.costs(trial.costs),
            {round(r.fraction, _DIGITS): r.metrics[self._problem.metric] for r in records},
            trial.measured if trial.is_complete else None,
            self._recipe.limits.allow(trial.measured, trial.costs) if trial.is_complete else True,
        )

    def vector(self, trial: Trial) -> Vector:
        """The `features` of a trial's run."""
        return features(trial.run, self._problem.n_blocks)

    def costs(self, costs: RunCost) -> tuple[float, ...]:
        """The objectives except the metric; FLOPs replace those that must be measured."""
        objectives = self._recipe.objectives[1:]
        return tuple(float(getattr(costs, name, costs.flops)) for name in objectives)

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
