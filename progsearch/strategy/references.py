"""The references of a study: the schedules that it trains before any that is searched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from progsearch.config import Recipe
from progsearch.errors import ScheduleError
from progsearch.numerals import size
from progsearch.schedule import Schedule
from progsearch.space.settings import Choice
from progsearch.space.space import Space
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.problem import Problem
from progsearch.study.trial import FULL, PAPER

MIDDLE = "middle"


@dataclass(frozen=True)
class Reference:
    """A schedule that is trained at several learning rates, of which the best one counts.

    Attributes:
        name: Its name, such as ``full``.
        rates: The learning rates to try, in ascending order.
        is_tuned: Whether other rates may be tried if the best lies at an end of `rates`.
    """

    name: str
    rates: tuple[float, ...]
    is_tuned: bool
    _make: Callable[[float], Candidate]
    _made: dict[float, Candidate] = field(default_factory=dict, compare=False, repr=False)

    def at(self, rate: float) -> Candidate:
        """Its run at a learning rate."""
        if rate not in self._made:
            self._made[rate] = self._make(rate)
        return self._made[rate]


@dataclass(frozen=True)
class References:
    """What every study of a model and a task trains.

    Attributes:
        all: The references.
        left_out: A sentence for each that does not fit the model or the memory.
        least_memory: The least predicted peak memory of all, in bytes, of those left out too.
    """

    all: tuple[Reference, ...]
    left_out: tuple[str, ...] = ()
    least_memory: int = 0

    @property
    def memory(self) -> dict[str, int | None]:
        """The predicted peak memory of each in bytes, by name."""
        return {r.name: r.at(r.rates[0]).costs.peak_memory for r in self.all}

    @property
    def rates(self) -> dict[str, tuple[float, ...]]:
        """The learning rates of each, by name."""
        return {reference.name: reference.rates for reference in self.all}


def make_references(space: Space, recipe: Recipe, problem: Problem) -> References:
    """The references of a study.

    Full fine-tuning; the paper's schedule of 3 stages and of one stage an epoch; the last
    quarter of the blocks with the head; the head alone; for language models the blocks in the
    middle. Each is trained at every learning rate
    that the space has for its method, so that it is tuned like the searched schedules.

    Args:
        space: The study's space, with its learning rates listed.
        recipe: The study.
        problem: Its model and task.
    """
    default = space.default(recipe.training)
    rates = space.learning_rates(default.method.name, default.training.learning_rate)
    n_blocks, epochs = problem.n_blocks, recipe.training.epochs
    schedules: dict[str, Callable[[], Schedule]] = {
        FULL: lambda: Schedule.full(n_blocks),
        PAPER: lambda: Schedule.progtuning(n_blocks, 3),
        f"progtuning-{epochs}": lambda: Schedule.progtuning(n_blocks, epochs),
        "last-quarter": lambda: Schedule.last_blocks(n_blocks, max(1, n_blocks // 4)),
        "head-only": lambda: Schedule.last_blocks(n_blocks, 0),
    }
    if MIDDLE in problem.references:
        schedules[MIDDLE] = lambda: Schedule.middle(n_blocks)
    found: dict[str, Reference] = {}
    left_out = []
    least = sys.maxsize
    for name, schedule in schedules.items():
        try:
            made = _reference(name, rates, default, recipe, problem, schedule())
        except ScheduleError:
            left_out.append(
                f"the reference {name} is left out: the model has only {n_blocks} blocks"
            )
            continue
        if not made.at(rates[0]).costs.updated_parameters:
            left_out.append(
                f"the reference {name} is left out: {default.method.name} trains nothing in it"
            )
            continue
        memory = made.at(rates[0]).costs.peak_memory
        least = min(least, memory or 0)
        if not recipe.limits.fits(made.at(rates[0]).costs):
            left_out.append(
                f"the reference {name} is left out: its predicted peak memory is "
                f"{size(memory or 0)}, above --max-memory"
            )
            continue
        # With one epoch, progtuning-1 is full fine-tuning under another name.
        if made.at(rates[0]).key not in {other.at(rates[0]).key for other in found.values()}:
            found[name] = made
    return References(tuple(found.values()), tuple(left_out), least if found or left_out else 0)


def _reference(
    name: str,
    rates: Sequence[float],
    default: Choice,
    recipe: Recipe,
    problem: Problem,
    schedule: Schedule,
) -> Reference:
    def make(rate: float) -> Candidate:
        training = default.training.model_copy(update={"learning_rate": rate})
        return candidate(replace(default, training=training), recipe, problem, schedule)

    return Reference(name, tuple(rates), len(rates) > 1, make)
