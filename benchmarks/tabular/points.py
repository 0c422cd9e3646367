"""What is trained: a fixed part of the default space's schedules, each at every rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import optuna
from optuna.samplers import RandomSampler

from progsearch.cache import content_key
from progsearch.config import (
    ContributionConfig,
    Recipe,
    RunConfig,
    TaskConfig,
    TrainingConfig,
    plain,
)
from progsearch.schedule import Schedule
from progsearch.schedule.rescoring import RescoringPlan, make_plan
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import make_references

Family = Literal["default", "rotate", "rescore"]

SPACE = "progtuning"
MODEL = "minilm-l6"
EPOCHS = 3
BATCH = 16
# The rates of the default space for full fine-tuning of this model, and for the references one
# more on either side: a search may tune these further than its own trials.
RATES = (5e-5, 1e-4, 2e-4, 4e-4)
REFERENCE_RATES = (2.5e-5, *RATES, 8e-4)
# The tasks and their training rows.
TASKS = {"bbc-headlines": 600, "mrpc": 1200, "sst2": 1500, "stsb": 1500}
SEEDS = (0, 1, 2, 3, 4)
# How many different schedules are drawn. The others are what the default space leaves out.
SCHEDULES: dict[Family, int] = {"default": 150, "rotate": 20, "rescore": 20}

_ANY_ORDER = {"mode": "any_order"}
_LEFT_OUT: dict[Family, Any] = {
    "rotate": _ANY_ORDER,
    # Ratios of blocks only; equal parts have no ratio, and so no setting that says of what.
    "rescore": [{**_ANY_ORDER, "curve": "parts"}, {**_ANY_ORDER, "ratio_of": "blocks"}],
}


def task_of(name: str, data_dir: str | None = None) -> TaskConfig:
    """The data of a table.

    Args:
        name: Of the task.
        data_dir: The folder of its files, if it is not shipped.
    """
    return TaskConfig(name=name, data_dir=data_dir, max_train_samples=TASKS[name])


def recipe_of(learning_rate: float, task: TaskConfig, **changes: Any) -> Recipe:
    """The study whose trials a table holds.

    Args:
        learning_rate: That of the references.
        task: Its data.
        changes: Further settings of the recipe.
    """
    training = TrainingConfig(epochs=EPOCHS, batch_size=BATCH, learning_rate=learning_rate)
    return Recipe(model=MODEL, task=task, space=SPACE, training=training, **changes)


def space_of(family: Family = "default") -> Space:
    """The default space at the rates of the tables, or with a setting that it leaves out."""
    space = Space.load(SPACE)
    data = plain(space.config)
    data["dimensions"]["learning_rate"] = {"type": "categorical", "choices": list(RATES)}
    return with_setting(Space.of(data, SPACE), family, (True,))


def with_setting(space: Space, family: Family, choices: tuple[bool, ...]) -> Space:
    """A space that also rotates blocks, or scores them again, wherever a schedule can.

    Args:
        space: The default one.
        family: Which of the two; ``default`` adds nothing.
        choices: The values of the setting.
    """
    if family == "default":
        return space
    data = plain(space.config)
    data["dimensions"][family] = {
        "type": "categorical",
        "choices": list(choices),
        "when": _LEFT_OUT[family],
    }
    return Space.of(data, f"the space with {family}")


def inspect(task: TaskConfig) -> Problem:
    """What a search knows of the model and the task; loads both."""
    from progsearch.contribution import contribution_scores_many
    from progsearch.models.loading import default_learning_rate, load_tokenizer, model_fingerprint
    from progsearch.tasks import load_task
    from progsearch.training import describe

    space = space_of()
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
        family: The space that it was drawn from.
        baseline: The name of the reference that it is, if it is one.
    """

    candidate: Candidate
    family: Family = "default"
    baseline: str | None = None

    @property
    def rescored_by(self) -> str | None:
        """See the function of that name."""
        return rescored_by(self.candidate.run, self.candidate.schedule)


def rescored_by(run: RunConfig, schedule: Schedule) -> str | None:
    """The metric by which a run chooses blocks while it trains; None if it chooses none.

    With it a schedule and a rate tell a training from all others of a table.
    """
    contribution: ContributionConfig | None = run.contribution
    plan = make_plan(schedule, 1, run.training.epochs, contribution)
    chooses = isinstance(plan, RescoringPlan) and bool(plan.choices)
    return contribution.metric if contribution and chooses else None


def points(problem: Problem, task: TaskConfig) -> list[Point]:
    """Every training, such that those with the same beginning follow one another."""
    found: dict[str, Point] = {}
    for family, count in SCHEDULES.items():
        for values in _drawn(family, count, problem, task, set(found)):
            for rate in RATES:
                made = _candidate({**values, "learning_rate": rate}, problem, task)
                found[made.key] = Point(made, family)
    for name, made in _references(problem, task):
        found[made.key] = replace(found.get(made.key, Point(made)), baseline=name)
    return sorted(found.values(), key=lambda point: [key for _, key in point.candidate.segments])


def _drawn(
    family: Family, count: int, problem: Problem, task: TaskConfig, known: set[str]
) -> Iterator[dict[str, Any]]:
    """The settings of the first different schedules that random search with seed 0 draws.

    So a table holds what a search mostly draws. A rotated or rescored schedule that comes to the
    training of another is not drawn.
    """
    known = set(known)
    study, space = optuna.create_study(sampler=RandomSampler(seed=0)), space_of(family)
    while count:
        values = {**space.suggest(study.ask()), "learning_rate": RATES[0]}
        key = _candidate(values, problem, task).key
        if key not in known and (family == "default" or values.get(family)):
            known.add(key)
            count -= 1
            yield values


def _candidate(values: dict[str, Any], problem: Problem, task: TaskConfig) -> Candidate:
    recipe = recipe_of(problem.learning_rate, task)
    return candidate(choice_of(values, recipe.training), recipe, problem)


def _references(problem: Problem, task: TaskConfig) -> Iterator[tuple[str, Candidate]]:
    recipe = recipe_of(problem.learning_rate, task)
    for reference in make_references(space_of(), recipe, problem).all:
        for rate in REFERENCE_RATES:
            yield reference.name, reference.at(rate)


def groups(every: Sequence[Point]) -> list[list[Point]]:
    """The points by their first epoch, the largest group first.

    A process that trains a group shares all that its runs have in common with no other.
    """
    found: dict[str, list[Point]] = {}
    for point in every:
        found.setdefault(point.candidate.segments[0][1], []).append(point)
    return sorted(found.values(), key=len, reverse=True)
