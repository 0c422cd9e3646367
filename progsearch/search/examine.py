"""Looks at the model and the task before the first trial, where the trials will run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import ray

from progsearch.cache import content_key
from progsearch.config import MethodConfig, Recipe
from progsearch.errors import ModelError, ProgsearchError
from progsearch.search.subject import Subject, method_key


def examine(
    recipe: Recipe, methods: Sequence[MethodConfig], metrics: Sequence[str], gpus: float
) -> Subject:
    """What a search must know of the recipe's model and task.

    Found out by a Ray worker, which has the hardware that the machine of the driver may lack;
    what takes long (tokenising, scoring blocks) is kept on disk for the trials.

    Args:
        recipe: What is searched.
        methods: Those that trials may use.
        metrics: The contribution metrics that trials may need.
        gpus: GPUs of one trial.

    Raises:
        ProgsearchError: The model, the task, a method or a metric cannot be used.
    """
    task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(_examine)
    try:
        found: Subject | ProgsearchError = ray.get(task.remote(recipe, methods, metrics))
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise ModelError(
            f"the process that loaded {recipe.model} was killed; is there enough memory for it?"
        ) from error
    if isinstance(found, ProgsearchError):
        raise found
    return found


def _examine(
    recipe: Recipe, methods: Sequence[MethodConfig], metrics: Sequence[str]
) -> Subject | ProgsearchError:
    import torch

    from progsearch.contribution import contribution_scores_many
    from progsearch.models import default_learning_rate, load_tokenizer, model_fingerprint
    from progsearch.tasks import load_task
    from progsearch.training import describe

    torch.set_num_threads(1)
    with _remarks() as remarks:
        try:
            data = load_task(recipe.task, load_tokenizer(recipe.model))
            return Subject(
                costs={method_key(m): describe(recipe.model, recipe.task, m) for m in methods},
                contributions=contribution_scores_many(
                    recipe.model, recipe.task, metrics, seed=recipe.training.seed
                ),
                examples=len(data.train),
                learning_rate=default_learning_rate(recipe.model),
                metric=data.metric,
                majority=data.majority(),
                fingerprint=content_key(model_fingerprint(recipe.model), data.fingerprint),
                remarks=tuple(remarks),
            )
        except ProgsearchError as error:
            # As a value: Ray would hand an exception on as one of another class.
            return error


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """What is logged of how the data is read, for the user to see."""
    messages: list[str] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("progsearch.tasks")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
