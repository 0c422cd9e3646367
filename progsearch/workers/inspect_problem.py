"""Inspects a model and a task, to find what a search must know before its first trial.

As a program it reads the pickled arguments of `inspect_problem` from stdin. It writes its steps
and then what it returns to stdout, pickled.
"""

from __future__ import annotations

import gc
import logging
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout

from progsearch.cache import content_key
from progsearch.config import MethodConfig, Recipe
from progsearch.errors import ProgsearchError
from progsearch.importing import collector_paused
from progsearch.strategy.problem import Problem


def inspect_problem(
    recipe: Recipe,
    methods: Sequence[MethodConfig],
    metrics: Sequence[str],
    tell: Callable[[str], None] = lambda step: None,
) -> Problem | ProgsearchError:
    """Inspect model and task; errors are returned, because Ray would change their class.

    Slow results (tokenised data, block scores) are stored on disk for the trials.

    Args:
        recipe: Names the model and the task.
        methods: The methods that trials may use.
        metrics: The contribution metrics that trials may need.
        tell: Told each step as it begins.
    """
    tell("loading libraries for model and data")
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
            tell(f"reading the data of {recipe.task.name}")
            data = load_task_for(recipe.model, recipe.task)
            tokenizer = load_tokenizer(recipe.model)
            # Check first: costs and scores may be stored already, but a model that does not match
            # its files or gives wrong numbers must not be scored.
            tell(f"loading {recipe.model}")
            inspect_weights(recipe.model, data.head, pad_token_id=tokenizer.pad_token_id)
            tell("checking shortcuts")
            checks = [checked_shortcuts(recipe.model, recipe.task, m) for m in methods]
            notes = {name: note for check in checks for name, note in check.notes.items()}
            understood = understand(data, tokenizer)
            scoring = f", scoring blocks by {', '.join(metrics)}" if metrics else ""
            tell(f"computing costs{scoring}")
            return Problem(
                costs={
                    m.cost_key: describe(
                        recipe.model, recipe.task, m, recipe.training, recipe.ranks_per_trial
                    )
                    for m in methods
                },
                contributions=contribution_scores_many(
                    recipe.model, recipe.task, metrics, seed=recipe.training.seed
                ),
                examples=len(data.train),
                learning_rate=data.type.learning_rate or default_learning_rate(recipe.model),
                metric=data.metric,
                majority=data.majority(),
                fingerprint=content_key(model_fingerprint(recipe.model), data.fingerprint),
                remarks=(*(text for _, text in remarks), *notes.values()),
                references=data.type.references,
                understood=understood.model_copy(update={"doubts": doubts_of(remarks)}),
            )
        except ProgsearchError as error:
            return error


def _main() -> None:
    answers = sys.stdout.buffer

    def send(answer: object) -> None:
        pickle.dump(answer, answers)
        answers.flush()

    with redirect_stdout(sys.stderr):
        recipe, methods, metrics = pickle.load(sys.stdin.buffer)
        found = inspect_problem(recipe, methods, metrics, send)
    send(found)


if __name__ == "__main__":
    _main()
