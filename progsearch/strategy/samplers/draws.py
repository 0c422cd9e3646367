"""Samples points of a space with an Optuna sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from progsearch.internals.optuna import set_constraints
from progsearch.space.space import Space
from progsearch.strategy.samplers.base import sampler_of
from progsearch.strategy.samplers.finite import FiniteSampler
from progsearch.study.dominance import Direction


@dataclass(frozen=True)
class Draw:
    """A point of the space.

    Attributes:
        number: Its number in its `Draws`.
        values: The settings it sets.
        params: What was sampled, as Optuna keeps it.
        distributions: What it was sampled from.
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
    points that are discarded, because they result in a known training or do not fit the model,
    neither show up there nor influence the sampler.

    Args:
        space: The space to sample from.
        sampler: The name of the sampler.
        seed: Of the sampler.
        directions: Of the objectives.
    """

    def __init__(
        self,
        space: Space,
        sampler: str,
        seed: int,
        directions: Sequence[Direction],
    ) -> None:
        self._space = space
        # The 0 is history: it keeps the samples of earlier versions.
        mixed = np.random.SeedSequence([seed, 0])
        own, other = (int(number) for number in mixed.generate_state(2))
        self._sampler = sampler_of(sampler).make(space, own)
        self._random = RandomSampler(seed=other)
        self._study = optuna.create_study(directions=directions, sampler=self._sampler)

    @property
    def is_finite(self) -> bool:
        """Whether the sampler ends, because it samples each point once."""
        return isinstance(self._sampler, FiniteSampler)

    def draw(self, *, at_random: bool = False) -> Draw | None:
        """A new point, from the sampler or ``at_random``; must be told or discarded.

        None when all points of a grid have been sampled.
        """
        if isinstance(self._sampler, FiniteSampler):
            if not self._sampler.advance():
                return None
        else:
            self._study.sampler = self._random if at_random else self._sampler
        trial = self._study.ask()
        values = self._space.suggest(trial)
        kept = self._study.get_trials(deepcopy=False)[trial.number]
        return Draw(kept.number, values, kept.params, kept.distributions, kept.system_attrs)

    def put_first(self, sampled: Mapping[str, Any]) -> None:
        """Have a point of another space sampled before all others.

        Values that this space cannot sample, or that are not given, come from the sampler.
        """
        self._study.enqueue_trial(self._space.fitting(sampled))

    @property
    def puts_first(self) -> bool:
        """Whether the next point is one that was put first."""
        states = (TrialState.WAITING,)
        return bool(self._study.get_trials(deepcopy=False, states=states))

    def take(self, trial: FrozenTrial) -> int:
        """Register a point sampled in another session as running, and return its number here.

        Nothing is sampled; `CandidatePool.take` chooses a new point to train.
        """
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
