"""What the strategies have in common, and those that train every trial to its end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from .table import Entry, Table

# Optuna's default of 50 would make all trials that are compared the first, random generation.
_POPULATION = 10


@dataclass(frozen=True)
class Event:
    """A trial ended, or stopped for a while.

    Attributes:
        steps: Optimizer steps trained so far, by all trials.
        trials: What they come to in whole trials: one that was stopped counts as the part of its
            run that it made, whether those steps were trained or reused.
        entry: The training, where it ran to its end.
    """

    steps: int
    trials: float
    entry: Entry | None


Strategy = Callable[[Table, int, int], Iterator[Event]]
"""Searches a table, given a seed of its columns and one of the strategy, and does not end."""


def whole_trials(sampler: Callable[[int], BaseSampler]) -> Strategy:
    """A study as Ray Tune's OptunaSearch makes it: each draw is trained whole, repeats too.

    Args:
        sampler: Makes the sampler from a seed.
    """

    def search(table: Table, column: int, seed: int) -> Iterator[Event]:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler(seed))
        for trials in itertools.count(1):
            trial = study.ask()
            entry = table.of_values(table.space.suggest(trial))
            study.tell(trial, entry.values(column))
            yield Event(trials * entry.steps, trials, entry)

    return search


def after_baselines(strategy: Strategy) -> Strategy:
    """The strategy after the runs that progsearch begins with, each trained whole.

    They count as its trials; its sampler does not hear of them, and neither does progsearch's.
    """

    def search(table: Table, column: int, seed: int) -> Iterator[Event]:
        steps = 0
        for number, entry in enumerate(table.baselines, 1):
            steps += entry.steps
            yield Event(steps, number, entry)
        for event in strategy(table, column, seed):
            trials = len(table.baselines) + event.trials
            yield Event(steps + event.steps, trials, event.entry)

    return search


def random_sampler(seed: int) -> BaseSampler:
    """Every dimension drawn evenly."""
    return RandomSampler(seed=seed)


def ray_tpe(seed: int) -> BaseSampler:
    """What OptunaSearch takes if it is given no sampler, with one objective or several."""
    return TPESampler(seed=seed)


def nsga2(seed: int) -> BaseSampler:
    """Optuna's NSGA-II with generations of 10."""
    return NSGAIISampler(population_size=_POPULATION, seed=seed)


def draw(table: Table, sampler: BaseSampler) -> Iterator[Entry]:
    """Points without end, of which the sampler is never told a result."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    while True:
        trial = study.ask()
        yield table.of_values(table.space.suggest(trial))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
