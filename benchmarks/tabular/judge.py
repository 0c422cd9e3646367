"""Judges what a search printed by seeds that it did not see."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean, variance

from progsearch.errors import StudyError
from progsearch.study.dominance import directions, non_dominated

from .answer import Answer, Printed
from .race import volume_of
from .strategies import Event, Strategy
from .table import Entry, Table

# Of a normal distribution, 95 % lie within so many standard deviations.
_WITHIN = 1.96
# Metrics are printed in points.
_POINTS = 100


@dataclass(frozen=True)
class Verdict:
    """An answer against the truth; differences in points, None if there is nothing to compare.

    Attributes:
        optimism_front: Printed metric minus the true one, mean over the front.
        optimism_best: The same for the pick.
        optimism_knee: The same.
        coverage: The share of the front's printed intervals of 95 % that hold the true metric.
        to_full: The printed difference to full fine-tuning minus the true one, mean over the
            front; the true one is that to full fine-tuning at its best rate.
        to_full_off: The same without its sign.
        to_full_most: The largest of them.
        to_full_best: The difference for the pick `best`, with its sign.
        volume: The true hypervolume of the front, as a share of the table's own true front.
    """

    optimism_front: float | None
    optimism_best: float | None
    optimism_knee: float | None
    coverage: float | None
    to_full: float | None
    to_full_off: float | None
    to_full_most: float | None
    to_full_best: float | None
    volume: float


@dataclass(frozen=True)
class Judge:
    """Knows what is true of a table's trainings, as far as seeds that nobody saw can say.

    Attributes:
        table: The table.
        seen: The seeds that a search sees; its runs begin with the first.
        unseen: The others.
        noise: See `noise_of`.
    """

    table: Table
    seen: tuple[int, ...]
    unseen: tuple[int, ...]
    noise: Mapping[float, float]

    def true(self, entry: Entry) -> float:
        """The mean of a training's metric over the unseen seeds."""
        return entry.values(*self.unseen)[0]

    def volume(self, entries: Sequence[Entry]) -> float:
        """The true hypervolume of trainings, as a share of the table's own true front."""
        return volume_of(entries, self.unseen, self.table) / self._whole

    @cached_property
    def volume_if_all_are_trained(self) -> float:
        """The same for the front of all trainings by the mean over the seen seeds."""
        every = self.table.default
        kept = non_dominated([entry.values(*self.seen) for entry in every], directions(2))
        return self.volume([every[index] for index in kept])

    def of(self, answer: Answer) -> Verdict:
        """Compare an answer with the truth."""
        front = answer.front
        errors = _known([self._to_full(p, answer.full) for p in front if p != answer.full])
        return Verdict(
            optimism_front=_mean(_known([self._optimism(printed) for printed in front])),
            optimism_best=self._optimism(answer.best),
            optimism_knee=self._optimism(answer.knee),
            coverage=_mean(_known([self._covers(printed) for printed in front])),
            to_full=_mean(errors),
            to_full_off=_mean([abs(error) for error in errors]),
            to_full_most=max(map(abs, errors), default=None),
            to_full_best=self._to_full(answer.best, answer.full),
            volume=self.volume([printed.entry for printed in front]),
        )

    def _optimism(self, printed: Printed | None) -> float | None:
        if printed is None:
            return None
        return _POINTS * (printed.metric - self.true(printed.entry))

    def _covers(self, printed: Printed) -> bool | None:
        """Whether the true metric, itself a mean of a few seeds, lies in the printed interval."""
        if printed.error is None:
            return None
        own = self.noise[printed.entry.learning_rate] / len(self.unseen)
        within = _WITHIN * math.hypot(printed.error, math.sqrt(own))
        return abs(printed.metric - self.true(printed.entry)) <= within

    def _to_full(self, printed: Printed | None, full: Printed | None) -> float | None:
        if printed is None or full is None:
            return None
        true = self.true(printed.entry) - self.true(self._full)
        return _POINTS * (printed.metric - full.metric - true)

    @cached_property
    def _full(self) -> Entry:
        """Full fine-tuning at its best rate; chosen by all seeds, so that none flatters it."""
        found = [entry for entry in self.table.entries if entry.baseline == "full"]
        return max(found, key=lambda entry: entry.values(*self.table.seeds)[0])

    @cached_property
    def _whole(self) -> float:
        return volume_of(self.table.default, self.unseen, self.table)


def judges(table: Table) -> list[Judge]:
    """Every way to divide the seeds: a search sees the larger part, beginning with any of it.

    Raises:
        StudyError: There is only one.
    """
    if len(table.seeds) < 2:
        raise StudyError("its table has one seed, so there is none left to judge by")
    n_seen, noise = (len(table.seeds) + 1) // 2, noise_of(table)
    return [
        Judge(
            table,
            (*chosen[first:], *chosen[:first]),
            tuple(seed for seed in table.seeds if seed not in chosen),
            noise,
        )
        for first in range(n_seen)
        for chosen in itertools.combinations(table.seeds, n_seen)
    ]


@dataclass(frozen=True)
class Target:
    """What a search is to reach.

    Attributes:
        volume: Its true volume.
        steps: What it costs to get there in another way.
        flops: The same.
    """

    volume: float
    steps: float
    flops: float


@dataclass(frozen=True)
class Repeat:
    """One search.

    Attributes:
        verdict: On its answer.
        end: Where its budget was spent.
        reached: Where it first had the target's true volume; None if it had not.
    """

    verdict: Verdict
    end: Event
    reached: Event | None


def follow(strategy: Strategy, judge: Judge, seed: int, target: Target | None) -> Repeat:
    """Replay a search until its budget is spent and it has reached, or missed, the target."""
    answered, reached = None, None
    for event in strategy(judge.table, judge.seen, seed):
        assert event.answer is not None, "a strategy that is judged says what it answers"
        if event.entry is None and not event.ended:
            continue  # a trial that was stopped changes no front
        answer, kept = event.answer(), replace(event, answer=None, entry=None)
        volume = judge.volume([printed.entry for printed in answer.front])
        if reached is None and target is not None and volume >= target.volume:
            reached = kept
        if answered is None and event.ended:
            answered = judge.of(answer), kept
        if answered and (reached or target is None or event.steps >= target.steps):
            break
    assert answered is not None, "a search comes to the end of its budget"
    return Repeat(*answered, reached)


def noise_of(table: Table) -> dict[float, float]:
    """The variance of the metric between seeds, by learning rate: it grows with it."""
    found: dict[float, list[float]] = {}
    for entry in table.entries:
        spread = variance(entry.values(seed)[0] for seed in table.seeds)
        found.setdefault(entry.learning_rate, []).append(spread)
    return {rate: mean(spreads) for rate, spreads in found.items()}


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None
