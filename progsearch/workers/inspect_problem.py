"""Inspects a model and a task, to find what a search must know before its first trial.

As a program it reads the pickled arguments of `inspect_problem` from stdin and writes what that
returns to stdout, pickled.
"""

from __future__ import annotations

import gc
import logging
import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

from progsearch.cache import content_key
from progsearch.config import MethodConfig, Recipe
from progsearch.errors import ProgsearchError
from progsearch.importing import collector_paused
from progsearch.strategy.problem import Problem


def inspect_problem(
    recipe: Recipe, methods: Sequence[MethodConfig], metrics: Sequence[str]
) -> Problem | ProgsearchError:
    """What a search must know; a mistake is returned, since Ray would change its class.

    What takes long (tokenising, scoring blocks) is kept on disk for the trials.
    """
    with collector_paused():
        import torch

        from progsearch.contribution import contribution_scores_many
        from progsearch.models.loading import (
            default_learning_rate,
            load_tokenizer,
            model_fingerprint,
        )
        from progsearch.tasks import load_task
        from progsearch.training import describe

        # All of this stays, and the process is here for nothing else.
        gc.freeze()
    torch.set_num_threads(1)
    with _remarks() as remarks:
        try:
            data = load_task(recipe.task, load_tokenizer(recipe.model))
            return Problem(
                costs={m.cost_key: describe(recipe.model, recipe.task, m) for m in methods},
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
            return error


class _Collector(logging.Handler):
    """Keeps each message once."""

    def __init__(self, level: int, messages: list[str]) -> None:
        super().__init__(level)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._messages:
            self._messages.append(message)


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """What is logged of how the data is read and of weights that do not fit, for the user."""
    messages: list[str] = []
    handlers = [
        (logging.getLogger("progsearch.tasks"), _Collector(logging.INFO, messages)),
        (logging.getLogger("progsearch.models"), _Collector(logging.WARNING, messages)),
    ]
    for logger, handler in handlers:
        logger.addHandler(handler)
        logger.setLevel(handler.level)
    try:
        yield messages
    finally:
        for logger, handler in handlers:
            logger.removeHandler(handler)


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        found = inspect_problem(*pickle.load(sys.stdin.buffer))
    pickle.dump(found, sys.stdout.buffer)
