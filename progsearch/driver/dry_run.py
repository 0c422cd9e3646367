"""Describes a search without running it: its data, its space, its references, its time and disk.

Writes no study. The model, the data and the scores of blocks are read as a search reads them, and
a few steps of full fine-tuning are timed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from progsearch.cache import cache_dir
from progsearch.config import Recipe, Understood, plain
from progsearch.driver.disk import Sizes, run_bytes, shared_bytes
from progsearch.driver.possible import check_found
from progsearch.driver.prepared import Prepared
from progsearch.driver.search import with_learning_rate
from progsearch.errors import ConfigError, ProgsearchError, ScheduleError, TrialFailed
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.store import default_budget
from progsearch.strategy.candidates import Candidate, candidate
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import References, make_references
from progsearch.strategy.samplers import Draws
from progsearch.study.dominance import directions
from progsearch.study.progress import tuning_work
from progsearch.workers.inspect_problem import inspect_problem
from progsearch.workers.places import places
from progsearch.workers.processors import allowed_processors, gpus_here, workers_that_fit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Optimizer steps that are timed, and points of the space whose cost is averaged.
_STEPS, _POINTS = 4, 50


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
        seconds: From its first to its last trial, if nothing is reused or stopped early, and
            several processes train a trial as fast as one.
        bytes: What it stores for reuse, at most ``most_bytes``.
        most_bytes: What the cache may hold; then the least recently used work is removed.
        seconds_per_step: Of full fine-tuning, as timed here.
        steps_timed: How many steps were timed.
        parallel: The number of trials at once.
        share: The mean cost of a searched schedule over that of full fine-tuning.
    """

    seconds: float
    bytes: int
    most_bytes: int
    seconds_per_step: float
    steps_timed: int
    parallel: int
    share: float


@dataclass(frozen=True)
class DryRun:
    """What a search would do."""

    recipe: Recipe
    exists_already: bool
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
            "exists_already": self.exists_already,
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
        prepared.exists_already,
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
    steps = full.segments[-1][0]

    def seconds(run: Candidate) -> float:
        evaluations = recipe.training.epochs + len(run.segments) - 1
        train = timed.per_step * steps * run.costs.flops / full.costs.flops
        return train + evaluations * timed.per_evaluation

    def stored(run: Candidate) -> float:
        return run_bytes(run, problem, timed.sizes)

    def whole_search(of: Callable[[Candidate], float]) -> float:
        """The sum over all runs of what ``of`` gives for one."""
        tuned = [(reference.at(reference.rates[0]), reference) for reference in references.all]
        work = sum(tuning_work(len(found.rates), recipe) * of(run) for run, found in tuned)
        each = float(np.mean([of(run) for run in points]))
        again = max(0, recipe.front_seeds - recipe.seeds) * of(full)
        return recipe.seeds * (work + recipe.budget * each) + again

    points = _points(recipe, space, problem) or [full]
    parallel = _parallel(recipe, problem)
    first = [reference.at(reference.rates[0]) for reference in references.all]
    kept = whole_search(stored) + shared_bytes([*first, *points], problem, timed.sizes)
    most = _most_bytes(recipe)
    return Expected(
        seconds=whole_search(seconds) / parallel,
        bytes=min(int(kept), most),
        most_bytes=most,
        seconds_per_step=timed.per_step,
        steps_timed=min(_STEPS, steps),
        parallel=parallel,
        share=float(np.mean([run.costs.flops for run in points])) / full.costs.flops,
    )


def _most_bytes(recipe: Recipe) -> int:
    """What the cache may hold of reusable work."""
    if not recipe.reuse:
        return 0
    if recipe.reuse_budget is not None:
        return int(recipe.reuse_budget * 2**30)
    return default_budget(cache_dir("reuse"))


@dataclass(frozen=True)
class _Timed:
    """Seconds of a step of full fine-tuning and of an evaluation, and what decides the disk."""

    per_step: float
    per_evaluation: float
    sizes: Sizes


def _timed(full: Candidate, recipe: Recipe) -> _Timed | None:
    """What a few steps of full fine-tuning show; None if they cannot be trained."""
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
            sizes = _sizes(run.model, recipe)
            return _Timed(timings.train / run.total_steps, timings.evaluate, sizes)
    except TrialFailed:
        return None


def _sizes(model: PreTrainedModel, recipe: Recipe) -> Sizes:
    """The rows of the token embedding that stay idle, and the size of a block's outputs."""
    from progsearch.tasks.loading import load_task_for

    splits = load_task_for(recipe.model, recipe.task).splits()
    embedding = model.get_input_embeddings()
    rows, width = embedding.weight.shape
    idle = 0
    # If the steps left rows out, a search does, too; its data has more tokens.
    if rows < embedding.num_embeddings:
        occurring = np.unique(np.concatenate([split.token_ids() for split in splits]))
        idle = (embedding.num_embeddings - len(occurring)) * width
    tokens = sum(int(split.lengths.sum()) for split in splits)
    return Sizes(idle, tokens * width * 4)


def _points(recipe: Recipe, space: Space, problem: Problem) -> list[Candidate]:
    """Random points of the space, without those that do not fit."""
    # It would say that it made a study.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draws = Draws(space, "random", recipe.training.seed, directions(len(recipe.objectives)))
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
    gpus = 0 if recipe.gpus_per_trial == 0 else gpus_here()
    try:
        found = places(recipe, [{"CPU": allowed_processors(), "GPU": gpus}])
    except ConfigError:
        # What a cluster has is not known here.
        return recipe.parallel or 1
    if recipe.parallel or gpus:
        return found.parallel
    parameters = problem.parameters * recipe.seeds
    return workers_that_fit(found.parallel, parameters, processes=found.ranks)
