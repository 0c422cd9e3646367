"""Tasks as a run needs them: tokenised, with their metrics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from progsearch.config import TaskConfig
from progsearch.models.head import Head
from progsearch.tasks.examples import TextTask
from progsearch.tasks.reading import file_times, read_task
from progsearch.tasks.sampling import spread_subset
from progsearch.tasks.split import Split
from progsearch.tasks.tokenising import tokenizer_fingerprint
from progsearch.tasks.trained_head import fit_to_head
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
        examples: What was tokenised.
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
    examples: TextTask
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


def load_task(config: TaskConfig, tokenizer: Any, trained: Head | None = None) -> TaskData:
    """Read and tokenise a task; tokenised data is kept on disk, and in memory per process.

    Args:
        config: Which data, and how it is read.
        tokenizer: A tokenizer with a padding token.
        trained: The head that the model's files hold, if they hold one; see `trained_head`. The
            classes are in its order, if it has the same.

    Raises:
        TaskError: The data is not there or cannot be used.
    """
    key = (config, file_times(config), tokenizer_fingerprint(tokenizer), trained)
    if key not in _loaded:
        _loaded[key] = _load(config, tokenizer, trained)
    return _loaded[key]


def _load(config: TaskConfig, tokenizer: Any, trained: Head | None) -> TaskData:
    task = fit_to_head(_with_fewer_rows(read_task(config), config.max_train_samples), trained)
    splits = {
        name: task.type.encode(examples, tokenizer, config.max_length)
        for name, examples in (
            ("train", task.train),
            ("validation", task.validation),
            *task.extra_validation.items(),
            *([("test", task.test)] if task.test else []),
        )
    }
    parts = [(name, split.fingerprint()) for name, split in splits.items()]
    identity = repr(
        [
            task.metrics,
            task.head.label_names,
            parts,
            *task.head.identity,
            *task.type.identity,
        ]
    )
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
        fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:16],
    )


def _with_fewer_rows(task: TextTask, most: int | None) -> TextTask:
    """The task with at most so many training rows."""
    train = task.train
    if most is None or most >= len(train):
        return task
    strata = task.type.strata(train.answers)
    return replace(task, train=train.subset(spread_subset(len(train), strata, most)))
