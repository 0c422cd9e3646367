"""Draws points of a space with an Optuna sampler."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from progsearch.config import SamplerName
from progsearch.internals.optuna import set_constraints
from progsearch.space.space import Space


@dataclass(frozen=True)
class Draw:
    """A point of the space.

    Attributes:
        number: Its number within its `Draws`.
        values: The settings it sets.
        params: What was drawn, as Optuna keeps it.
        distributions: What it was drawn from.
        system_attrs: The sampler's own notes.
    """

    number: int
    values: dict[str, Any]
    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    system_attrs: dict[str, Any]


class Draws:
    """A source of points that learns from the trials.

    Keeps a study of its own in memory, so that the user's study holds only what was trained:
    points that are thrown away, because they come to a training that is known or do not fit the
    model, neither show up there nor change what the sampler believes.

    Args:
        space: Where points are drawn from.
        sampler: How.
        seed: Of the sampler. Another number of ``known`` trials gives other draws, so that a
            resumed search does not draw the same points again.
        directions: Of the objectives.
        known: Trials to learn from; those without a result are passed over.
    """

    def __init__(
        self,
        space: Space,
        sampler: SamplerName,
        seed: int,
        directions: Sequence[StudyDirection],
        known: Sequence[FrozenTrial],
    ) -> None:
        self._space = space
        mixed = np.random.SeedSequence([seed, len(known)])
        own, other = (int(number) for number in mixed.generate_state(2))
        self._sampler = (
            GridSampler(space, own) if sampler == "grid" else make_sampler(sampler, own)
        )
        self._random = RandomSampler(seed=other)
        self._study = optuna.create_study(directions=directions, sampler=self._sampler)
        for trial in known:
            if trial.params and trial.state == TrialState.COMPLETE:
                self._study.add_trial(trial)

    def draw(self, *, at_random: bool = False) -> Draw | None:
        """A new point, from the sampler or ``at_random``; must be told or thrown away.

        None when all points of a grid have been drawn.
        """
        if isinstance(self._sampler, GridSampler):
            if not self._sampler.advance():
                return None
        else:
            self._study.sampler = self._random if at_random else self._sampler
        trial = self._study.ask()
        values = self._space.suggest(trial)
        kept = self._study.get_trials(deepcopy=False)[trial.number]
        return Draw(kept.number, values, kept.params, kept.distributions, kept.system_attrs)

    def put_first(self, drawn: Mapping[str, Any]) -> None:
        """Have a point of another space drawn before all others.

        What this space cannot draw of it, and what is not given, comes from the sampler.
        """
        self._study.enqueue_trial(self._space.fitting(drawn))

    @property
    def puts_first(self) -> bool:
        """Whether the next point is one that was put first."""
        states = (TrialState.WAITING,)
        return bool(self._study.get_trials(deepcopy=False, states=states))

    def take(self, trial: FrozenTrial) -> int:
        """A point that was drawn in another session; returns its number here."""
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=trial.params,
                distributions=trial.distributions,
                system_attrs=trial.system_attrs,
            )
        )
        return len(self._study.get_trials(deepcopy=False)) - 1

    def throw_away(self, number: int) -> None:
        """A point that is not trained, or whose training failed."""
        self._study.tell(number, state=TrialState.FAIL)

    def tell(
        self, number: int, values: Sequence[float], violations: Mapping[str, float] | None = None
    ) -> None:
        """The result of a point, and by how much it misses each limit (see `Limits`)."""
        set_constraints(self._study, number, violations or {})
        self._study.tell(number, list(values))


class GridSampler(BaseSampler):
    """Gives every point of a space once, in an order that the seed shuffles.

    Optuna's own needs one list of values for each parameter, so it does not know of dimensions
    that apply under a condition.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._points = list(space.points())
        np.random.default_rng(seed).shuffle(self._points)
        self._point: dict[str, Any] = {}

    def advance(self) -> bool:
        """Go to the next point, if there is one."""
        if not self._points:
            return False
        self._point = self._points.pop()
        return True

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every parameter is set on its own."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """None."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The point's value."""
        return self._point[param_name]


def make_sampler(name: Literal["ehvi", "tpe", "nsga2", "gp", "random"], seed: int) -> BaseSampler:
    """The Optuna sampler of that name, set for several objectives and conditional spaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match name:
            case "tpe":
                return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
            case "nsga2":
                return NSGAIISampler(seed=seed)
            case "gp":
                return GPSampler(seed=seed)
            case "ehvi" | "random":
                # What is drawn for ehvi is chosen from afterwards: see `acquisition`.
                return RandomSampler(seed=seed)
