"""Refuses settings that this machine, the task or the model makes impossible, before any trial."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from progsearch.config import MethodSettings, Recipe, training_under
from progsearch.errors import ConfigError
from progsearch.extras import check_bitsandbytes
from progsearch.numerals import size
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import References
from progsearch.workers.places import option_of_ranks, without_gpus
from progsearch.workers.processors import (
    allowed_processors,
    gpus_here,
    memory_of_worker,
    workers_that_fit,
)


def check_machine(recipe: Recipe) -> None:
    """Check what a recipe asks of this machine; what another one has is not known yet.

    Raises:
        ConfigError: With every setting that is impossible here.
    """
    problems = []
    if recipe.address is None and not _uses_running_ray():
        problems += _impossible_here(recipe, gpus_here())
    _refuse(problems)


def check_libraries(recipe: Recipe, methods: Iterable[MethodSettings]) -> None:
    """Check that the libraries are there which the training and its methods need.

    Raises:
        ConfigError: With how to install what is missing.
    """
    for method in methods:
        if training_under(method, recipe.training).frozen_dtype == "nf4":
            if method.frozen_dtype is not None:
                check_bitsandbytes("--method", method.name)
            check_bitsandbytes("--frozen-dtype", "nf4")
    if recipe.training.optimizer == "adamw-8bit":
        check_bitsandbytes("--optimizer", "adamw-8bit")


def check_task_settings(recipe: Recipe) -> None:
    """Check settings that depend on the task's data.

    Raises:
        ConfigError: With every setting that is impossible with them.
        TaskError: The data is missing or cannot be used.
    """
    from progsearch.tasks.reading import read_task

    task = read_task(recipe.task)
    problems = []
    rows = min(len(task.train), recipe.task.max_train_samples or len(task.train))
    batch_size = recipe.training.batch_size
    if "batch_size" in recipe.training.model_fields_set and batch_size > rows:
        text = f"must be at most the {rows} rows of the training data, got {batch_size}"
        problems.append(("--batch-size", text))
    worst = next((m.worst for m in task.type.metrics if m.name == task.metrics[0]), None)
    if recipe.min_metric is not None and worst is not None and recipe.min_metric < worst:
        text = (
            f"must be at least {worst:g}, the worst {task.metrics[0]}, got {recipe.min_metric:g}"
        )
        problems.append(("--min-metric", text))
    _refuse(problems)


def check_found(
    recipe: Recipe, problem: Problem, references: References, *, gpus_per_trial: float
) -> None:
    """Check settings that depend on the model.

    Raises:
        ConfigError: With every setting that is impossible with it.
    """
    problems = []
    least = min(
        (
            reference.at(reference.rates[0]).costs.updated_parameters
            for reference in references.all
        ),
        default=0.0,
    )
    if recipe.max_updated is not None and recipe.max_updated < least:
        text = f"must be at least {least:.2g}, the share of the head alone, got "
        problems.append(("--max-updated", f"{text}{recipe.max_updated:g}"))
    if recipe.max_memory is not None and recipe.max_memory < references.least_memory:
        text = (
            f"must be at least {size(references.least_memory)}, what training the head alone is "
            f"predicted to take, got {size(recipe.max_memory)}; smaller batches or shorter texts "
            "take less"
        )
        problems.append(("--max-memory", text))
    # On GPUs, trials take little of this memory.
    if recipe.parallel and recipe.address is None and not gpus_per_trial:
        parameters = problem.parameters * recipe.seeds
        ranks = recipe.ranks_per_trial
        fitting = workers_that_fit(recipe.parallel, parameters, ranks)
        if fitting < recipe.parallel:
            text = (
                f"the free memory is enough for {fitting} at once, each of about "
                f"{ranks * memory_of_worker(parameters) / 2**30:.1f} GiB, got {recipe.parallel}"
            )
            problems.append(("--parallel", text))
    _refuse(problems)


def _impossible_here(recipe: Recipe, gpus: int) -> list[tuple[str, str]]:
    problems = []
    per_trial, ranks = recipe.gpus_per_trial, recipe.ranks_per_trial
    processors = allowed_processors()
    if per_trial and not gpus:
        problems.append(("--gpus-per-trial", "there is no GPU here; leave it out or give 0"))
    elif per_trial and per_trial > gpus:
        text = f"there are {gpus} GPUs here, got {per_trial:g}"
        problems.append(("--gpus-per-trial", text))
    uses_gpus = bool(gpus) and per_trial != 0
    if ranks > 1 and not per_trial and uses_gpus:
        problems.append(("--processes-per-trial", without_gpus(gpus)))
    elif ranks > processors:
        text = f"there are {processors} processors for {ranks} processes here"
        problems.append((option_of_ranks(recipe), text))
    if recipe.training.precision == "fp16" and not uses_gpus:
        problems.append(("--precision", "fp16 needs a GPU; use bf16, fp32 or auto"))
    if recipe.max_gpu_hours is not None and not uses_gpus:
        text = "this search uses no GPU; limit its time with --time instead"
        problems.append(("--max-gpu-hours", text))
    if recipe.parallel is not None:
        if recipe.parallel * ranks > processors:
            text = f"there are {processors} processors for it here, got {recipe.parallel}"
            each = f", each trained by {ranks} processes" if ranks > 1 else ""
            problems.append(("--parallel", text + each))
        elif uses_gpus and recipe.parallel * (per_trial or 1) > gpus:
            text = (
                f"{recipe.parallel} trials at once need more than the {gpus} GPUs here; give "
                "fewer, or let several share one with --gpus-per-trial, such as 0.5"
            )
            problems.append(("--parallel", text))
    return problems


def _uses_running_ray() -> bool:
    # Asking must not import Ray, which takes its time.
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


def _refuse(problems: list[tuple[str, str]]) -> None:
    if len(problems) == 1:
        raise ConfigError(problems[0][0], [("", problems[0][1])])
    if problems:
        raise ConfigError("the recipe", problems)
