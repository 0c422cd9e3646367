"""Loads tasks for a run: tokenised data, with their metrics."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import Head
from progsearch.models.loading import load_tokenizer, model_fingerprint, trained_head
from progsearch.models.output import OutputKind
from progsearch.models.room import Room, room_of
from progsearch.tasks.examples import TextTask
from progsearch.tasks.fit import (
    check_known,
    check_tokens_given,
    fitted,
    fitting_length,
    longest_of,
)
from progsearch.tasks.reading import file_times, read_task
from progsearch.tasks.sampling import spread_subset
from progsearch.tasks.split import Split
from progsearch.tasks.tokenizer_identity import tokenizer_identity
from progsearch.tasks.trained_head import fit_to_head, is_kept
from progsearch.tasks.types import TASK_TYPES, TaskType

if TYPE_CHECKING:
    from torch import Tensor

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskData:
    """A tokenised task.

    Attributes:
        name: The task's name.
        type: The task type.
        train: The training data.
        validation: The data that runs are compared on.
        extra_validation: Further validation sets by name (MNLI: ``mismatched``).
        test: The labelled test data, if there is any; not used for any choice.
        examples: The examples that were tokenised.
        head: The head that the model needs.
        metrics: Names of the metrics, the primary one first.
        max_length: The number of tokens that examples were cut to.
        fingerprint: A hash of the tokenised data, the metrics and the identity of the type.
    """

    name: str
    type: TaskType
    train: Split
    validation: Split
    extra_validation: dict[str, Split]
    test: Split | None
    examples: TextTask
    head: Head
    metrics: tuple[str, ...]
    max_length: int
    fingerprint: str

    def splits(self) -> list[Split]:
        """All data of the task, the training data first."""
        labelled = [self.train, self.validation, *self.extra_validation.values()]
        return labelled if self.test is None else [*labelled, self.test]

    @property
    def metric(self) -> str:
        """The name of the task's primary metric; higher is better."""
        return self.metrics[0]

    def keep(self, output: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The part of a model's output to keep; see `TaskType.keep`."""
        return self.type.keep(output, batch)

    def evaluate(self, kept: np.ndarray, split: Split) -> dict[str, float]:
        """All metrics of the task, the primary one first; see `TaskType.evaluate`."""
        return self.type.evaluate(self.metrics, kept, split)

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether all predictions are the same; see `TaskType.is_constant`."""
        return self.type.is_constant(kept, split)

    def per_class(self, kept: np.ndarray, split: Split) -> dict[str, dict[str, float]] | None:
        """Several scores of each class by its name, if any; see `TaskType.per_class`."""
        return self.type.per_class(kept, split, self.head)

    def prepare(self) -> None:
        """Load what the metrics need; see `TaskType.prepare`."""
        self.type.prepare(self.metrics)

    def majority(self) -> float | None:
        """The primary metric of the best constant prediction on the validation data.

        For accuracy, the share of the most frequent class; None if a constant has no score.
        """
        return self.type.constant(self.metric, self.validation)


_loaded: dict[tuple[Any, ...], TaskData] = {}


def load_task_for(model: str, config: TaskConfig) -> TaskData:
    """Read and tokenise a task for a model; data that does not fit is cut or refused.

    The result is kept in memory until the process ends.

    Args:
        model: Alias, folder or hub name; its own tokenizer is used.
        config: Which data to read, and how.

    Raises:
        ModelError: The model or its tokenizer cannot be loaded.
        TaskError: The data is missing, cannot be used or does not fit the model.
    """
    tokenizer = load_tokenizer(model)
    key = (model_fingerprint(model), config, file_times(config), tokenizer_identity(tokenizer))
    if key not in _loaded:
        room = partial(room_of, model, read_task(config).head, tokenizer.pad_token_id)
        _loaded[key] = load_task(config, tokenizer, trained=trained_head(model), room=room)
    return _loaded[key]


def load_task(
    config: TaskConfig,
    tokenizer: Any,
    *,
    trained: Head | None = None,
    room: Callable[[int], Room] | None = None,
) -> TaskData:
    """Read and tokenise a task; tokenised data is cached on disk.

    Args:
        config: Which data to read, and how.
        tokenizer: A tokenizer with a padding token.
        trained: The head in the model's files, if there is one; see `trained_head`. If it has the
            same classes, they are put in its order.
        room: Gives the limits of the model for examples of up to that many tokens, if the model is
            known.

    Raises:
        TaskError: The data is missing or cannot be used.
    """
    task = fit_to_head(_with_fewer_rows(read_task(config), config.max_train_samples), trained)
    output: OutputKind | None = "affine" if room is None else room(0).output
    keeps_head = trained is not None and is_kept(task.head, trained)
    task = task.type.for_model(task, output, keeps_head=keeps_head)
    tokenizer = task.type.adapted(tokenizer)
    examples = {"train": task.train, "validation": task.validation, **task.extra_validation}
    if task.test:
        examples["test"] = task.test

    def encoded(max_length: int) -> dict[str, Split]:
        encode = task.type.encode
        return {name: encode(part, tokenizer, max_length) for name, part in examples.items()}

    max_length = min(config.max_length or task.type.usual_length, tokenizer.model_max_length)
    splits = encoded(max_length)
    limits = None if room is None else room(longest_of(splits))
    check_tokens_given(task.name, splits, examples, tokenizer)
    check_known(task.name, splits, tokenizer)
    if limits is not None:
        length = fitting_length(splits, limits)
        if length is not None:
            max_length, splits = length, encoded(length)
        splits = fitted(task.name, splits, tokenizer, limits)
    _check_targets(splits, task.name)
    task = replace(task, notes=(*task.notes, *task.type.remarks(task.name, splits)))
    splits["train"] = _with_targets(splits["train"], task.name)
    parts = [(name, split.fingerprint()) for name, split in splits.items()]
    data = [task.metrics, task.head.label_names, parts, *task.head.identity]
    identity = repr([*data, *_type_identity(task.type)])
    return TaskData(
        name=task.name,
        type=task.type,
        train=splits.pop("train"),
        validation=splits.pop("validation"),
        test=splits.pop("test", None),
        extra_validation=splits,
        examples=task,
        head=task.head,
        metrics=task.metrics,
        max_length=max_length,
        fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:16],
    )


def _type_identity(kind: TaskType) -> tuple[Any, ...]:
    """Distinguishes types with equal tokens, targets and metric names."""
    # The project's own types already differ in these.
    if kind.name in TASK_TYPES.built_in and kind.version == 1:
        return kind.identity
    return kind.name, kind.version, *kind.identity


def _check_targets(splits: Mapping[str, Split], name: str) -> None:
    """Refuse data of which nothing can be learned or measured.

    Raises:
        TaskError: The training or the validation data has no row with a target.
    """
    for part, what in (("train", "training"), ("validation", "validation")):
        if not splits[part].units.any():
            raise TaskError(
                f"no {what} row of {name} has a target within its tokens; raise --max-length"
            )


def _with_targets(split: Split, name: str) -> Split:
    """The rows that count in the loss: a batch without such rows has no mean loss."""
    counted = np.flatnonzero(split.units)
    if len(counted) == len(split):
        return split
    _logger.warning(
        "%d of %d training rows of %s have no target within their tokens and are left out",
        len(split) - len(counted),
        len(split),
        name,
    )
    return split.subset(counted)


def _with_fewer_rows(task: TextTask, most: int | None) -> TextTask:
    """The task with at most ``most`` training rows."""
    train = task.train
    if most is None or most >= len(train):
        return task
    strata = task.type.strata(train.answers)
    return replace(task, train=train.subset(spread_subset(len(train), strata, most)))
