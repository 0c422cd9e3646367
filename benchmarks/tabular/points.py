"""What is trained: every point of `space.yaml`, and the baselines, without repeats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.trial import FixedTrial

from progsearch.cache import content_key
from progsearch.config import Recipe, TaskConfig, TrainingConfig
from progsearch.errors import ScheduleError
from progsearch.search.candidates import Candidate, baselines, candidate
from progsearch.search.settings import choice_of
from progsearch.search.space import Space
from progsearch.search.subject import Subject, method_key

SPACE = Path(__file__).parent / "space.yaml"
EPOCHS = 3
BATCH = 16
TRAIN_SAMPLES = 600
SEEDS = (0, 1)
MODEL = "minilm-l6"
TASK = TaskConfig(name="bbc-headlines", max_train_samples=TRAIN_SAMPLES)


def recipe_of(learning_rate: float, **changes: Any) -> Recipe:
    """The study whose trials the table holds.

    Args:
        learning_rate: The one that the baselines have.
        changes: Further settings of the recipe.
    """
    training = TrainingConfig(epochs=EPOCHS, batch_size=BATCH, learning_rate=learning_rate)
    return Recipe(model=MODEL, task=TASK, space=str(SPACE), training=training, **changes)


def examine() -> Subject:
    """What a search knows of the model and the task; loads both."""
    from progsearch.contribution import contribution_scores_many
    from progsearch.models import default_learning_rate, load_tokenizer, model_fingerprint
    from progsearch.tasks import load_task
    from progsearch.training import describe

    space = Space.load(SPACE)
    data = load_task(TASK, load_tokenizer(MODEL))
    return Subject(
        costs={method_key(m): describe(MODEL, TASK, m) for m in space.methods()},
        contributions=contribution_scores_many(MODEL, TASK, space.metrics(), seed=0),
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


def points(subject: Subject) -> list[Point]:
    """Every training, such that those with the same beginning follow one another."""
    space = Space.load(SPACE)
    recipe = recipe_of(subject.learning_rate)
    found: dict[str, Point] = {}
    for drawn in space.points():
        values = space.suggest(FixedTrial(drawn))
        try:
            made = candidate(choice_of(values, recipe.training), recipe, subject)
        except ScheduleError:
            continue
        found.setdefault(made.key, Point(made))
    first, _ = baselines(space.default(recipe.training), recipe, subject)
    for name, made in first.items():
        found[made.key] = replace(found.get(made.key, Point(made)), baseline=name)
    return sorted(found.values(), key=lambda point: [key for _, key in point.candidate.segments])
