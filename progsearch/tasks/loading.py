"""Tasks as a run needs them: tokenised, with their metrics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from progsearch.config import TaskConfig
from progsearch.models.head import Head
from progsearch.models.loading import load_tokenizer
from progsearch.models.room import Room, room_of
from progsearch.tasks.fit import check_known, fitted, fitting_length
from progsearch.tasks.reading import file_times, read_task
from progsearch.tasks.sampling import spread_subset
from progsearch.tasks.split import Split
from progsearch.tasks.tokenizer_identity import tokenizer_identity
from progsearch.tasks.types.base import TaskType

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TaskData:
    """A tokenised task.

    Attributes:
        name: The task's name.
        type: What kind of task it is.
        train: What is trained on.
        validation: What runs are compared on.
        extra_validation: Further validation sets by name (MNLI: ``mismatched``).
        test: For the end; only if there are labelled test examples.
        head: What it asks of a model's head.
        metrics: Names of the metrics, the primary one first.
        fingerprint: A hash of the tokenised data and the metrics.
    """

    name: str
    type: TaskType
    train: Split
    validation: Split
    extra_validation: dict[str, Split]
    test: Split | None
    head: Head
    metrics: tuple[str, ...]
    fingerprint: str

    def splits(self) -> list[Split]:
        """All data of the task, the training data first."""
        labelled = [self.train, self.validation, *self.extra_validation.values()]
        return labelled if self.test is None else [*labelled, self.test]

    @property
    def metric(self) -> str:
        """The primary metric; more is better."""
        return self.metrics[0]

    def keep(self, output: Any) -> Tensor:
        """What is kept of a model's output; see `TaskType.keep`."""
        return self.type.keep(output)

    def evaluate(self, kept: np.ndarray, split: Split) -> dict[str, float]:
        """All metrics of the task, the primary one first; see `TaskType.evaluate`."""
        return self.type.evaluate(self.metrics, kept, split)

    def prepare(self) -> None:
        """Load what the metrics need; see `TaskType.prepare`."""
        self.type.prepare(self.metrics)

    def majority(self) -> float | None:
        """What the best constant answer reaches on the validation data in the primary metric.

        For accuracy the share of the most frequent class; None if a constant has no score.
        """
        return self.type.constant(self.metric, self.validation)


_loaded: dict[tuple[Any, ...], TaskData] = {}


def load_task_for(model: str, config: TaskConfig) -> TaskData:
    """Read and tokenise a task for a model, as `load_task`: what does not fit is cut or refused.

    Args:
        model: Alias, folder or hub name; its own tokenizer is used.
        config: Which data, and how it is read.

    Raises:
        ModelError: The model or its tokenizer cannot be loaded.
        TaskError: The data is not there, cannot be used or does not fit the model.
    """
    head = read_task(config).head
    tokenizer = load_tokenizer(model)
    return load_task(config, tokenizer, room_of(model, head, tokenizer.pad_token_id))


def load_task(config: TaskConfig, tokenizer: Any, room: Room | None = None) -> TaskData:
    """Read and tokenise a task; tokenised data is kept on disk, and in memory per process.

    Args:
        config: Which data, and how it is read.
        tokenizer: A tokenizer with a padding token.
        room: What fits into the model that is to read it, if it is known.

    Raises:
        TaskError: The data is not there or cannot be used.
    """
    key = (config, file_times(config), tokenizer_identity(tokenizer), room)
    if key not in _loaded:
        _loaded[key] = _load(config, tokenizer, room)
    return _loaded[key]


def _load(config: TaskConfig, tokenizer: Any, room: Room | None) -> TaskData:
    task = read_task(config)
    train = task.train
    if config.max_train_samples is not None and config.max_train_samples < len(train):
        strata = task.type.strata(train.answers)
        train = train.subset(spread_subset(len(train), strata, config.max_train_samples))
    examples = {"train": train, "validation": task.validation, **task.extra_validation}
    if task.test:
        examples["test"] = task.test

    def encoded(max_length: int) -> dict[str, Split]:
        encode = task.type.encode
        return {name: encode(part, tokenizer, max_length) for name, part in examples.items()}

    splits = encoded(config.max_length)
    check_known(task.name, splits, tokenizer)
    if room is not None:
        length = fitting_length(splits, room)
        splits = fitted(task.name, splits if length is None else encoded(length), tokenizer, room)
    parts = [(name, split.fingerprint()) for name, split in splits.items()]
    identity = repr([task.metrics, task.head.label_names, parts, *task.head.identity])
    return TaskData(
        name=task.name,
        type=task.type,
        train=splits.pop("train"),
        validation=splits.pop("validation"),
        test=splits.pop("test", None),
        extra_validation=splits,
        head=task.head,
        metrics=task.metrics,
        fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:16],
    )
