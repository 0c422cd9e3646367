"""The references of a study: the runs that it trains before any that is searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from progsearch.config import Recipe
from progsearch.errors import ScheduleError
from progsearch.schedule import Schedule
from progsearch.space.settings import Choice
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.problem import Problem
from progsearch.study.trial import FULL, PAPER


@dataclass(frozen=True)
class References:
    """What every study of a model and a task trains.

    Attributes:
        runs: By name.
        left_out: A sentence for each that does not fit the model.
    """

    runs: dict[str, Candidate]
    left_out: tuple[str, ...] = ()


def make_references(default: Choice, recipe: Recipe, problem: Problem) -> References:
    """The references of a study.

    Full fine-tuning; the paper's schedule of 3 stages and of one stage an epoch; the last
    quarter of the blocks with the head; the head alone.

    Args:
        default: The method and training settings of all of them.
        recipe: The study.
        problem: Its model and task.
    """
    n_blocks, epochs = problem.n_blocks, recipe.training.epochs
    schedules: dict[str, Callable[[], Schedule]] = {
        FULL: lambda: Schedule.full(n_blocks),
        PAPER: lambda: Schedule.progtuning(n_blocks, 3),
        f"progtuning-{epochs}": lambda: Schedule.progtuning(n_blocks, epochs),
        "last-quarter": lambda: Schedule.last_blocks(n_blocks, max(1, n_blocks // 4)),
        "head-only": lambda: Schedule.last_blocks(n_blocks, 0),
    }
    found: dict[str, Candidate] = {}
    left_out = []
    for name, schedule in schedules.items():
        try:
            made = candidate(default, recipe, problem, schedule())
        except ScheduleError:
            left_out.append(
                f"the baseline {name} is left out: the model has only {n_blocks} blocks"
            )
            continue
        # With one epoch, progtuning-1 is full fine-tuning under another name.
        if made.key not in {other.key for other in found.values()}:
            found[name] = made
    return References(found, tuple(left_out))
