"""Has the model and the task inspected before the first trial, on the machine of the trials."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import ray

from progsearch.config import MethodConfig, Recipe
from progsearch.errors import ModelError, ProgsearchError
from progsearch.strategy.problem import Problem
from progsearch.workers.cluster import Machines, starts_here
from progsearch.workers.inspect_problem import inspect_problem
from progsearch.workers.starting import WORKER_ENVIRONMENT

_Question = tuple[Recipe, Sequence[MethodConfig], Sequence[str]]


@contextmanager
def inspection(
    recipe: Recipe, methods: Sequence[MethodConfig], metrics: Sequence[str]
) -> Iterator[Callable[[Machines, Callable[[str], None]], Problem]]:
    """Collect what a search needs to know about the recipe's model and task.

    If Ray still has to start on this machine, a separate process does this while Ray starts. On
    a cluster a Ray worker does it, because this machine may lack the hardware.

    Args:
        recipe: The recipe of the search.
        methods: The methods that trials may use.
        metrics: The contribution metrics that trials may need.

    Yields:
        A function that waits for the result after Ray has started. It is told to whom it tells
        each step, as far as a separate process makes them. It raises a `ProgsearchError` if the
        model, the task, a method or a metric cannot be used.
    """
    question = (recipe, methods, metrics)
    if not starts_here(recipe):
        yield lambda machines, tell: _ask_ray(question, machines)
        return
    environment = os.environ | WORKER_ENVIRONMENT
    # So that it finds the same packages as this process.
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    if recipe.gpus_per_trial == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    # The messages of the process would fill a pipe while its answer is read from another.
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as file:
        pickle.dump(question, file)
        file.seek(0)
        process = subprocess.Popen(
            # -P: modules in the working directory are not imported.
            [sys.executable, "-P", "-m", inspect_problem.__module__],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            # This process ends it, so that a signal to the group does not look like a crash.
            process_group=0,
        )
        with process:
            try:
                yield lambda machines, tell: _answer_of(process, recipe, errors, tell)
            finally:
                process.kill()


def _ask_ray(question: _Question, fit: Machines) -> Problem:
    task = ray.remote(num_cpus=1, num_gpus=fit.process["GPU"], max_retries=0)(inspect_problem)
    try:
        return _checked(ray.get(task.remote(*question)))
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise _killed(question[0]) from error


def _answer_of(
    process: subprocess.Popen[bytes],
    recipe: Recipe,
    errors: IO[bytes],
    tell: Callable[[str], None],
) -> Problem:
    assert process.stdout is not None, "it is a pipe"
    try:
        # Its steps come first.
        while isinstance(answer := pickle.load(process.stdout), str):
            tell(answer)
    except (EOFError, pickle.UnpicklingError):
        process.wait()
        if process.returncode < 0:
            raise _killed(recipe) from None
        errors.seek(0)
        text = errors.read().decode(errors="replace")
        raise RuntimeError(f"inspecting {recipe.model} failed:\n{text}") from None
    # A process that is not waited for stays in the process table until the search ends.
    process.wait()
    return _checked(answer)


def _checked(answer: Problem | ProgsearchError) -> Problem:
    if isinstance(answer, ProgsearchError):
        raise answer
    return answer


def _killed(recipe: Recipe) -> ModelError:
    return ModelError(
        f"the process that loaded {recipe.model} was killed; is there enough memory for it?"
    )
