"""Inspects a model and a task, to find what a search must know before its first trial.

As a program it reads the pickled arguments of `inspect_problem` from stdin and writes what that
returns to stdout, pickled.
"""

from __future__ import annotations

import gc
import logging
import pickle
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from progsearch.cache import content_key
from progsearch.config import MethodConfig, Recipe
from progsearch.errors import ProgsearchError
from progsearch.importing import collector_paused
from progsearch.strategy.problem import Problem


def inspect_problem(
    recipe: Recipe, methods: Sequence[MethodConfig], metrics: Sequence[str]
) -> Problem | ProgsearchError:
    """Inspect model and task; errors are returned, because Ray would change their class.

    Slow results (tokenised data, block scores) are stored on disk for the trials.
    """
    with collector_paused():
        import torch

        from progsearch.contribution import contribution_scores_many
        from progsearch.models.loading import (
            default_learning_rate,
            inspect_weights,
            load_tokenizer,
            model_fingerprint,
        )
        from progsearch.tasks import load_task_for, understand
        from progsearch.training import describe
        from progsearch.training.remarks import collected_remarks, doubts_of
        from progsearch.training.shortcut_check import checked_shortcuts

        # The imports stay, and the process has no other purpose.
        gc.freeze()
    torch.set_num_threads(1)
    with collected_remarks(logging.INFO) as remarks:
        try:
            data = load_task_for(recipe.model, recipe.task)
            tokenizer = load_tokenizer(recipe.model)
            # Check first: costs and scores may be stored already, but a model that does not match
            # its files or gives wrong numbers must not be scored.
            inspect_weights(recipe.model, data.head, pad_token_id=tokenizer.pad_token_id)
            checks = [checked_shortcuts(recipe.model, recipe.task, m) for m in methods]
            notes = {name: note for check in checks for name, note in check.notes.items()}
            understood = understand(data, tokenizer)
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
                remarks=(*(text for _, text in remarks), *notes.values()),
                understood=understood.model_copy(update={"doubts": doubts_of(remarks)}),
            )
        except ProgsearchError as error:
            return error


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        found = inspect_problem(*pickle.load(sys.stdin.buffer))
    pickle.dump(found, sys.stdout.buffer)
