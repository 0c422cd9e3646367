"""The study of `study.py` as progsearch runs it.

    python benchmarks/own_study.py [--no-reuse] [--no-prefix-cache] [--schedules 24]

The package's own driver and workers, in their default settings. A search draws its runs; here
they are given, in the place of the baselines, so that both sides make the same ones.

Prints JSON: seconds, optimizer steps that were trained, and each run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from schedules import (
    BATCH,
    EPOCHS,
    MODEL,
    add_arguments,
    points,
    schedules,
    task_of,
)

from progsearch import search
from progsearch.config import Recipe, TrainingConfig, method_of
from progsearch.driver import search as driver
from progsearch.schedule import ScheduleSpec
from progsearch.space.settings import Choice
from progsearch.space.space import Space
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import Reference, References
from progsearch.study.trial import Trial


def given_runs(
    runs: list[tuple[str, float]],
) -> Callable[[Space, Recipe, Problem], References]:
    """What takes the place of `progsearch.strategy.references.make_references`."""

    def references(space: Space, recipe: Recipe, problem: Problem) -> References:
        def reference(name: str, rate: float) -> Reference:
            def make(rate: float) -> Candidate:
                training = recipe.training.model_copy(update={"learning_rate": rate})
                choice = Choice(ScheduleSpec(), method_of(), training)
                return candidate(choice, recipe, problem, schedules()[name])

            return Reference(f"{name} {rate}", (rate,), False, make)

        return References(tuple(reference(name, rate) for name, rate in runs))

    return references


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """The study of the given runs alone."""
    return Recipe(
        model=MODEL,
        task=task_of(arguments),
        # The space is not drawn from; this one asks for no contribution scores.
        space="quick",
        training=TrainingConfig(
            epochs=EPOCHS,
            batch_size=BATCH,
            learning_rate=1e-4,
            precision=arguments.precision or "auto",
        ),
        parallel=arguments.parallel,
        gpus_per_trial=arguments.gpus_per_trial,
        reuse=not arguments.no_reuse,
        prefix_cache=not arguments.no_prefix_cache,
        front_seeds=1,
    ).model_copy(update={"budget": 0})


def point_of(trial: Trial) -> dict[str, Any]:
    """A trial in the words of `peer_study.py`."""
    if not trial.is_complete or trial.name is None or trial.timings is None:
        raise RuntimeError(f"{trial.label} failed: {trial.reason}")
    return {
        "schedule": trial.name.split()[0],
        "learning_rate": trial.run.training.learning_rate,
        "accuracy": trial.metrics["accuracy"],
        "updated_parameters": trial.updated_parameters,
        "steps": trial.steps_trained,
        "seconds": trial.timings.setup + trial.timings.spent,
    }


def main() -> None:
    """Run the study and print its results."""
    started = time.perf_counter()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--no-reuse", action="store_true")
    parser.add_argument("--no-prefix-cache", action="store_true")
    parser.add_argument("--studies-dir", help="by default the study is not kept")
    arguments = parser.parse_args()
    references = given_runs(points(arguments.schedules))
    recipe = recipe_of(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(driver, "make_references", references),
    ):
        study = search(recipe, studies_dir=arguments.studies_dir or folder)
        found = [point_of(trial) for trial in study.folder.trials()]
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "steps": sum(point["steps"] for point in found),
                "points": found,
            }
        )
    )


if __name__ == "__main__":
    main()
