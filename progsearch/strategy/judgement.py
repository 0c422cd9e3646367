"""Decides whether a running trial is stopped, and whether a stopped one is resumed."""

from __future__ import annotations

from collections.abc import Sequence

from progsearch.config import Recipe
from progsearch.strategy.candidates import Candidate
from progsearch.strategy.judges import Curve, Evidence, ExpectedGains, make_judge
from progsearch.strategy.observations import Observations
from progsearch.strategy.prospects import Prospects
from progsearch.study.results import Record
from progsearch.study.trial import Trial


class Judgement:
    """Asks the recipe's judge, with all evidence that the study has.

    Args:
        recipe: The study's.
        observations: Of its trials.
        prospects: Compares trials with candidates.
    """

    def __init__(self, recipe: Recipe, observations: Observations, prospects: Prospects) -> None:
        self._judge = make_judge(recipe.judged_by)
        self._least_metric = recipe.limits.min_metric
        self._observations = observations
        self._prospects = prospects

    def stops(self, trial: Trial, records: Sequence[Record], waiting: Sequence[Candidate]) -> bool:
        """Whether a running trial, measured just now, should be stopped.

        Args:
            trial: The trial.
            records: What it reported.
            waiting: Candidates that could be trained instead.
        """
        if self._judge is None:
            return False
        if not self._judge.within_epochs and records[-1].epoch % 1:
            return False
        curve = self._observations.curve(trial, records)
        curves = self._observations.curves
        before = None if trial.continues is None else curves.get(trial.continues)
        if before is not None and curve.reached <= before.reached:
            # An earlier decision lets it continue from there.
            return False
        others = [other for other in curves.values() if other is not before]

        def gains(asked: Sequence[Curve]) -> ExpectedGains | None:
            pairs = [(trial, asked_curve) for asked_curve in asked]
            return self._prospects.gains(pairs, [*others, curve], waiting, records[-1].step)

        return self._judge.stops(curve, Evidence(others, self._least_metric, gains))

    def resumes(self, trials: Sequence[Trial], waiting: Sequence[Candidate]) -> Trial | None:
        """A stopped trial of ``trials`` that should continue now, before any candidate."""
        if self._judge is None:
            return None
        continued = {trial.continues for trial in trials}
        curves = list(self._observations.curves.values())
        open_ones = [curve for curve in curves if curve.number not in continued]
        # References are continued by their tuning.
        stopped = [c for c in open_ones if c.final is None and not trials[c.number].is_baseline]
        others = [curve for curve in open_ones if curve.final is not None]

        def gains(asked: Sequence[Curve]) -> ExpectedGains | None:
            pairs = [(trials[curve.number], curve) for curve in asked]
            return self._prospects.gains(pairs, curves, waiting)

        number = self._judge.resumes(stopped, Evidence(others, self._least_metric, gains))
        return None if number is None else trials[number]
