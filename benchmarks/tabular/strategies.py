"""What the strategies have in common, and those that train every trial to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from progsearch.study.dominance import directions, non_dominated

from .answer import Answer, answer_by_one_seed
from .table import Entry, Table

# Optuna's default of 50 would make all trials that are compared the first, random generation.
_POPULATION = 10
_SIDES = directions(2)


@dataclass(frozen=True)
class Event:
    """A trial ended, or stopped for a while.

    Attributes:
        steps: Optimizer steps trained so far, by all trials.
        flops: What these steps cost.
        trials: What they come to in whole trials: one that was stopped counts as the part of its
            run that it made, whether those steps were trained or reused.
        entry: The training, if it ran to its end.
        answer: Gives what the user would read now, until the next event; None if the strategy
            does not say.
        ended: Whether its budget is spent.
        missing: Runs so far that it asked for and that the table does not hold.
    """

    steps: int
    flops: float
    trials: float
    entry: Entry | None
    answer: Callable[[], Answer] | None = None
    ended: bool = False
    missing: int = 0


Strategy = Callable[[Table, Sequence[int], int], Iterator[Event]]
"""Searches a table, given the seeds of it that it may see, the one of its runs first, and a seed
of its own; does not end."""


def whole_trials(sampler: Callable[[int], BaseSampler]) -> Strategy:
    """A study as Ray Tune's OptunaSearch makes it: each draw is trained whole, repeats too.

    Args:
        sampler: Makes the sampler from a seed.
    """

    def search(table: Table, seen: Sequence[int], seed: int) -> Iterator[Event]:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler(seed))
        trials, flops = 0, 0.0
        while True:
            trial, entry = ask(table, study)
            study.tell(trial, entry.values(seen[0]))
            trials += 1
            flops += entry.flops
            yield Event(trials * entry.steps, flops, trials, entry)

    return search


def after_baselines(strategy: Strategy) -> Strategy:
    """The strategy after the runs that progsearch begins with, each trained whole.

    They count as its trials; its sampler does not hear of them, and neither does progsearch's.
    """

    def search(table: Table, seen: Sequence[int], seed: int) -> Iterator[Event]:
        steps, flops = 0, 0.0
        for number, entry in enumerate(table.baselines, 1):
            steps += entry.steps
            flops += entry.flops
            yield Event(steps, flops, number, entry)
        for event in strategy(table, seen, seed):
            yield replace(
                event,
                steps=steps + event.steps,
                flops=flops + event.flops,
                trials=len(table.baselines) + event.trials,
            )

    return search


def as_a_user(strategy: Strategy, budget: int) -> Strategy:
    """The strategy after the baselines, with the best by one seed as its answer.

    Args:
        strategy: One that does not say what it answers.
        budget: Whole trials beside the baselines.
    """

    def search(table: Table, seen: Sequence[int], seed: int) -> Iterator[Event]:
        full = next((e for e in table.baselines if e.baseline == "full"), None)
        front: list[Entry] = []
        for event in after_baselines(strategy)(table, seen, seed):
            if event.entry is not None:
                entries = [*front, event.entry]
                kept = non_dominated([entry.values(seen[0]) for entry in entries], _SIDES)
                front = [entries[index] for index in kept]
            yield replace(
                event,
                answer=lambda now=front: answer_by_one_seed(now, seen[0], full),  # type: ignore[misc]
                ended=event.trials >= budget + len(table.baselines),
            )

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


def ask(table: Table, study: optuna.Study) -> tuple[Trial, Entry]:
    """A point of the study's sampler; those that the table does not hold are drawn again."""
    while True:
        trial = study.ask()
        entry = table.of_values(table.space.suggest(trial))
        if entry is not None:
            return trial, entry
        study.tell(trial, state=TrialState.FAIL)


def draw(table: Table, sampler: BaseSampler) -> Iterator[Entry]:
    """Points without end, of which the sampler is never told a result."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    while True:
        trial, entry = ask(table, study)
        yield entry
        study.tell(trial, state=TrialState.FAIL)
