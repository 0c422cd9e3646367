"""What is run with fuzzed inputs: all that a command does before Ray starts or a model trains."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import optuna

from progsearch.config import TaskConfig, TrainingConfig
from progsearch.models.loading import load_tokenizer
from progsearch.space import check
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.samplers import Draws
from progsearch.study.dominance import directions
from progsearch.tasks import load_task_for, understand
from progsearch.tasks import loading as task_loading
from tests.fuzz.running import Reached
from tests.fuzz.world import TYPES, World


def _once(function: Callable[[Space], Any]) -> Callable[[Space], Any]:
    """``function``, called once for equal spaces: that of a recipe is seldom what is damaged."""
    found: dict[str, Any] = {}

    def call(space: Space) -> Any:
        key = repr(space)
        if key not in found:
            found[key] = function(space)
        return found[key]

    return call


def _reached(*arguments: Any, **named: Any) -> None:
    raise Reached


def _only_data(prepared: Any) -> None:
    load_task_for(prepared.recipe.model, prepared.recipe.task)
    raise Reached


def _only_built(run: Any) -> None:
    # A generator's body runs when the training would begin.
    raise Reached


@contextlib.contextmanager
def no_work() -> Iterator[None]:
    """While active, searches and trainings end where they would begin."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with contextlib.ExitStack() as stack:
        for name, replacement in {
            "progsearch.driver.search.search": _reached,
            "progsearch.driver.search.resume": _reached,
            "progsearch.driver.confirm.confirm": _reached,
            "progsearch.driver.dry_run.dry_run": _only_data,
            "progsearch.training.run.TrainingRun.records": _only_built,
            "typer.launch": _reached,
            "progsearch.space.check._contradictions": _once(check._contradictions),
            # It measures for half a second what other processes leave.
            "progsearch.workers.processors.free_threads": lambda: 1,
        }.items():
            stack.enter_context(mock.patch(name, replacement))
        yield


def point_faults(space: str) -> None:
    """Sample points of a space and make their settings."""
    found = Space.load(space).at(1e-4)
    draws = Draws(found, "random", 0, directions(2))
    for _ in range(3):
        point = draws.draw()
        if point is not None:
            choice_of(point.values, TrainingConfig())


def data_fault(world: World, file: Path, kind: str | None, options: dict[str, Any]) -> None:
    """Read, tokenise and summarise a data file."""
    task_loading._loaded.clear()
    config = TaskConfig(name="fuzzed", type=kind, train_file=str(file), **options)
    is_language = (kind or TYPES["classification"]) == "causal-lm"
    model = world.language_model if is_language else world.model
    understand(load_task_for(model, config), load_tokenizer(model))
