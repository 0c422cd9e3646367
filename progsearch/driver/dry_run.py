"""Describes a search without running it: its data, its space, its references, its time and disk.

Writes no study. The model, the data and the scores of blocks are read as a search reads them, and
a few steps of full fine-tuning are timed.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna

from progsearch.config import Recipe, Understood, plain
from progsearch.driver.possible import check_found
from progsearch.driver.prepared import Prepared
from progsearch.driver.search import with_learning_rate
from progsearch.errors import ProgsearchError, ScheduleError, TrialFailed
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import References, make_references
from progsearch.strategy.samplers import Draws
from progsearch.study.dominance import directions
from progsearch.study.progress import tuning_work
from progsearch.workers.inspect_problem import inspect_problem
from progsearch.workers.processors import allowed_processors, gpus_here, workers_that_fit

# Optimizer steps that are timed, and points of the space whose cost is averaged.
_STEPS, _POINTS = 4, 50
# Weights and the two moments of Adam, in fp32.
_BYTES_PER_PARAMETER = 12


@dataclass(frozen=True)
class Lengths:
    """The lengths of the training examples in tokens, after those over the maximum were cut."""

    median: int
    most: int
    longest: int

    def __str__(self) -> str:
        """A description."""
        return f"median {self.median} tokens, 95 % at most {self.most}, longest {self.longest}"


@dataclass(frozen=True)
class Expected:
    """The time and disk that a search is expected to take.

    Attributes:
        seconds: From its first to its last trial, if nothing is reused or stopped early.
        bytes: What it stores for reuse at most.
        seconds_per_step: Of full fine-tuning, as timed here.
        steps_timed: How many steps were timed.
        parallel: The number of trials at once.
        share: The mean cost of a searched schedule over that of full fine-tuning.
    """

    seconds: float
    bytes: int
    seconds_per_step: float
    steps_timed: int
    parallel: int
    share: float


@dataclass(frozen=True)
class DryRun:
    """What a search would do."""

    recipe: Recipe
    space: Space
    problem: Problem
    understood: Understood
    lengths: Lengths
    references: References
    expected: Expected | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        problem = self.problem
        return {
            "study": self.recipe.study,
            "task": self.recipe.task.name,
            "model": self.recipe.model,
            "metric": problem.metric,
            "majority": problem.majority,
            "n_blocks": problem.n_blocks,
            "parameters": problem.parameters,
            "understood": plain(self.understood),
            "lengths": asdict(self.lengths),
            "space": plain(self.space.config),
            "references": {name: list(rates) for name, rates in self.references.rates.items()},
            "peak_memory": self.references.memory,
            "remarks": [*problem.remarks, *self.references.left_out],
            "expected": self.expected and asdict(self.expected),
            "recipe": plain(self.recipe),
        }


def dry_run(prepared: Prepared) -> DryRun:
    """What the search of a recipe would do.

    Raises:
        ProgsearchError: As a search raises before its first trial.
    """
    from progsearch.tasks.loading import load_task_for

    recipe, space = prepared.recipe, prepared.space
    problem = inspect_problem(recipe, space.methods(), space.metrics())
    if isinstance(problem, ProgsearchError):
        raise problem
    given = "learning_rate" in recipe.training.model_fields_set
    recipe = with_learning_rate(recipe, problem.learning_rate)
    space = space.at(recipe.training.learning_rate, given=given)
    references = make_references(space, recipe, problem)
    uses_gpus = bool(gpus_here()) and recipe.gpus_per_trial != 0
    check_found(recipe, problem, references, gpus_per_trial=float(uses_gpus))
    assert problem.understood is not None, "an inspection gives a summary of the data"
    lengths = np.sort(load_task_for(recipe.model, recipe.task).train.lengths)
    return DryRun(
        recipe,
        space,
        problem,
        problem.understood,
        Lengths(*(int(np.quantile(lengths, q, method="higher")) for q in (0.5, 0.95, 1.0))),
        references,
        _expected(recipe, space, problem, references),
    )


def _expected(
    recipe: Recipe, space: Space, problem: Problem, references: References
) -> Expected | None:
    """The expected time and disk; None if a few steps cannot be trained here."""
    if not references.all:
        return None
    full = references.all[0].at(references.all[0].rates[0])
    timed = _timed(full, recipe)
    if timed is None:
        return None
    per_step, per_evaluation = timed
    steps = full.segments[-1][0]

    def seconds(run: Candidate) -> float:
        evaluations = recipe.training.epochs + len(run.segments) - 1
        train = per_step * steps * run.costs.flops / full.costs.flops
        return train + evaluations * per_evaluation

    points = _points(recipe, space, problem) or [full]
    each = float(np.mean([seconds(run) for run in points]))
    work = sum(
        tuning_work(len(reference.rates), recipe) * seconds(reference.at(reference.rates[0]))
        for reference in references.all
    )
    again = max(0, recipe.front_seeds - recipe.seeds) * seconds(full)
    total = recipe.seeds * (work + recipe.budget * each) + again
    parallel = _parallel(recipe, problem)
    kept = sum(len(run.segments) for run in points) / len(points) * (recipe.budget + 4)
    return Expected(
        seconds=total / parallel,
        bytes=int(kept * recipe.seeds * problem.parameters * _BYTES_PER_PARAMETER)
        if recipe.reuse
        else 0,
        seconds_per_step=per_step,
        steps_timed=min(_STEPS, steps),
        parallel=parallel,
        share=float(np.mean([run.costs.flops for run in points])) / full.costs.flops,
    )


def _timed(full: Candidate, recipe: Recipe) -> tuple[float, float] | None:
    """Seconds of a step of full fine-tuning and of an evaluation."""
    import torch

    from progsearch.training import TrainingRun

    # As many threads as a worker has.
    torch.set_num_threads(1)
    rows = _STEPS * recipe.training.batch_size * recipe.training.gradient_accumulation
    most = min(rows, recipe.task.max_train_samples or rows)
    task = recipe.task.model_copy(update={"max_train_samples": most})
    training = full.run.training.model_copy(update={"epochs": 1})
    config = full.run.model_copy(update={"task": task, "training": training})
    # What there is to say about the data is said about all of it.
    logging.getLogger("progsearch").setLevel(logging.ERROR)
    try:
        with TrainingRun.from_config(config, prefix_cache=False) as run:
            for _ in run.records():
                pass
            timings = run.spent().timings
            return timings.train / run.total_steps, timings.evaluate
    except TrialFailed:
        return None


def _points(recipe: Recipe, space: Space, problem: Problem) -> list[Candidate]:
    """Random points of the space, without those that do not fit."""
    # It would say that it made a study.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draws = Draws(space, "random", recipe.training.seed, directions(len(recipe.objectives)), ())
    found = []
    for _ in range(_POINTS):
        point = draws.draw()
        if point is None:
            break
        try:
            found.append(candidate(choice_of(point.values, recipe.training), recipe, problem))
        except ScheduleError:
            continue
    return found


def _parallel(recipe: Recipe, problem: Problem) -> int:
    gpus = gpus_here()
    if gpus and recipe.gpus_per_trial != 0:
        slots = min(allowed_processors(), int(gpus / (recipe.gpus_per_trial or 1)))
        return max(1, recipe.parallel or slots)
    return recipe.parallel or workers_that_fit(
        allowed_processors(), problem.parameters * recipe.seeds
    )
