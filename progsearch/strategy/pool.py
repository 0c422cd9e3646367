"""The candidates of a search: sampled, kept, and the one that is trained next."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import NamedTuple

from progsearch.config import Recipe
from progsearch.errors import ScheduleError
from progsearch.space.settings import choice_of
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.problem import Problem
from progsearch.strategy.prospects import Prospects
from progsearch.strategy.samplers import Draw, Draws

# How often a point that is known, or does not fit the model, is sampled again: first from the
# sampler; then at random, since a sampler may insist on a few points of a small space.
_SAMPLER_TRIES = 20
_TRIES = 520
# How many points are held back because a running trial is making their first steps; beyond that
# a worker waits for those steps, since the sampler prefers such points.
_MOST_HELD = 2
# How many candidates that were not chosen are kept, the newest ones.
_MOST_KEPT = 1024

_log = logging.getLogger(__name__)


class Point(NamedTuple):
    """A candidate with what was sampled for it."""

    draw: Draw
    candidate: Candidate


class CandidatePool:
    """Samples points and gives the one to train, such that no training is made twice.

    Args:
        recipe: The study's.
        problem: Its model and task.
        draws: The source of points.
        prospects: Compares candidates.
    """

    def __init__(
        self, recipe: Recipe, problem: Problem, draws: Draws, prospects: Prospects
    ) -> None:
        self._recipe = recipe
        self._problem = problem
        self._draws = draws
        self._prospects = prospects
        self._points: list[Point] = []

    @property
    def waiting(self) -> list[Candidate]:
        """The candidates that could be trained now."""
        return [point.candidate for point in self._points]

    def take(self, known: set[str], would_wait: Callable[[Candidate], bool]) -> Point | None:
        """Choose the point to train now, or None; `Draws.take` instead registers a known point.

        With several candidates for each trial, the most promising one is taken. The others stay
        candidates, so that there are more of them each time, unless the sampler learns: what it
        samples later is better informed. With one candidate, another point is sampled in place
        of one that would have to wait, which is held back for later.

        Args:
            known: The keys of the trainings that need not be made again.
            would_wait: Whether a candidate needs steps that a running trial is making.
        """
        while self._draws.puts_first:
            if first := self._sample(known, tries=1):
                return first
        pool = self._sampled(known, would_wait)
        if not pool:
            return None
        free = [point for point in pool if not would_wait(point.candidate)] or pool
        chooses = self._recipe.n_candidates > 1
        chosen = free[self._prospects.best([p.candidate for p in free]) if chooses else 0]
        self._keep([point for point in pool if point is not chosen])
        return chosen

    def take_again(self, known: set[str], key: str) -> int | None:
        """Sample as `take` did when it gave the point of ``key``; returns its number.

        Args:
            known: What `take` was given then.
            key: The key of the training that was chosen.

        Returns:
            None if other points were sampled then, such as by an earlier version.
        """
        while self._draws.puts_first:
            if first := self._sample(known, tries=1):
                if first.candidate.key == key:
                    return first.draw.number
                self._draws.throw_away(first.draw.number)
        pool = self._sampled(known, lambda candidate: False)
        chosen = next((point for point in pool if point.candidate.key == key), None)
        if chosen is None and self._recipe.n_candidates == 1:
            # Kept, it would be the next one in the place of a new one.
            for point in pool:
                self._draws.throw_away(point.draw.number)
            pool = []
        self._keep([point for point in pool if point is not chosen])
        return None if chosen is None else chosen.draw.number

    def _sampled(self, known: set[str], would_wait: Callable[[Candidate], bool]) -> list[Point]:
        """The kept points and new ones, those that are ``known`` left out."""
        pool = [point for point in self._points if point.candidate.key not in known]
        known = known | {point.candidate.key for point in pool}
        n_candidates = self._recipe.n_candidates
        for _ in range(n_candidates if n_candidates > 1 else 0):
            self._sample_into(pool, known, tries=1)
        while all(would_wait(point.candidate) for point in pool):
            if len(pool) >= _MOST_HELD or not self._sample_into(pool, known):
                break
        return pool

    def _keep(self, points: list[Point]) -> None:
        """Keep points for later, unless the sampler can give equally good ones."""
        recipe, n_kept = self._recipe, len(points)
        if recipe.n_candidates > 1 and not self._draws.is_finite:
            n_kept = min(n_kept, _MOST_KEPT) if recipe.keeps_candidates else 0
        n_dropped = len(points) - n_kept
        for point in points[:n_dropped]:
            self._draws.throw_away(point.draw.number)
        self._points = points[n_dropped:]

    def _sample_into(self, pool: list[Point], known: set[str], tries: int = _TRIES) -> bool:
        """Sample a point that is not ``known`` and add it to both; whether one was found."""
        point = self._sample(known, tries)
        if point is not None:
            pool.append(point)
            known.add(point.candidate.key)
        return point is not None

    def _sample(self, known: set[str], tries: int = _TRIES) -> Point | None:
        """A point whose training is not known yet; None if none is found."""
        recipe = self._recipe
        # A finite sampler ends by itself, and most of its points may be known.
        attempts = itertools.count() if self._draws.is_finite else range(tries)
        for attempt in attempts:
            draw = self._draws.draw(at_random=attempt >= _SAMPLER_TRIES)
            if draw is None:
                return None
            try:
                choice = choice_of(draw.values, recipe.training)
                new = candidate(choice, recipe, self._problem)
            except ScheduleError as error:
                _log.info("a point does not fit the model: %s", error)
            else:
                if recipe.limits.affordable(new.costs) and new.key not in known:
                    return Point(draw, new)
            self._draws.throw_away(draw.number)
        return None
