"""What is trained: every point of `space.yaml`, and the baselines, without repeats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.trial import FixedTrial

from progsearch.cache import content_key
from progsearch.config import Recipe, TaskConfig, TrainingConfig
from progsearch.errors import ScheduleError
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import make_references

SPACE = Path(__file__).parent / "space.yaml"
EPOCHS = 3
BATCH = 16
TRAIN_SAMPLES = 600
MODEL = "minilm-l6"
# The tasks that there is a table of, and the seeds that each of its trainings was made with.
SEEDS: dict[str, tuple[int, ...]] = {"bbc-headlines": (0, 1), "sst2": (0,)}


def task_of(name: str, data_dir: str | None = None) -> TaskConfig:
    """The data of a table.

    Args:
        name: Of the task.
        data_dir: Where its files lie, if it is not one that is shipped.
    """
    return TaskConfig(name=name, data_dir=data_dir, max_train_samples=TRAIN_SAMPLES)


def recipe_of(learning_rate: float, task: TaskConfig, **changes: Any) -> Recipe:
    """The study whose trials a table holds.

    Args:
        learning_rate: The one that the baselines have.
        task: Its data.
        changes: Further settings of the recipe.
    """
    training = TrainingConfig(epochs=EPOCHS, batch_size=BATCH, learning_rate=learning_rate)
    return Recipe(model=MODEL, task=task, space=str(SPACE), training=training, **changes)


def inspect(task: TaskConfig) -> Problem:
    """What a search knows of the model and the task; loads both."""
    from progsearch.contribution import contribution_scores_many
    from progsearch.models.loading import default_learning_rate, load_tokenizer, model_fingerprint
    from progsearch.tasks import load_task
    from progsearch.training import describe

    space = Space.load(SPACE)
    data = load_task(task, load_tokenizer(MODEL))
    return Problem(
        costs={m.cost_key: describe(MODEL, task, m) for m in space.methods()},
        contributions=contribution_scores_many(MODEL, task, space.metrics(), seed=0),
        examples=len(data.train),
        learning_rate=default_learning_rate(MODEL),
        metric=data.metric,
        majority=data.majority(),
        fingerprint=content_key(model_fingerprint(MODEL), data.fingerprint),
        remarks=(),
    )


@dataclass(frozen=True)
class Point:
    """One training of the table.

    Attributes:
        candidate: The run, with seed 0.
        baseline: The name of the baseline that it is, if it is one.
    """

    candidate: Candidate
    baseline: str | None = None


def points(problem: Problem, task: TaskConfig) -> list[Point]:
    """Every training, such that those with the same beginning follow one another."""
    space = Space.load(SPACE)
    recipe = recipe_of(problem.learning_rate, task)
    found: dict[str, Point] = {}
    for drawn in space.points():
        values = space.suggest(FixedTrial(drawn))
        try:
            made = candidate(choice_of(values, recipe.training), recipe, problem)
        except ScheduleError:
            continue
        found.setdefault(made.key, Point(made))
    for reference in make_references(space, recipe, problem).all:
        made = reference.at(recipe.training.learning_rate)
        found[made.key] = replace(found.get(made.key, Point(made)), baseline=reference.name)
    return sorted(found.values(), key=lambda point: [key for _, key in point.candidate.segments])
