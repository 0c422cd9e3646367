"""Tasks as a run needs them: tokenised, with their metrics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from progsearch.config import TaskConfig
from progsearch.tasks.metrics import best_constant, evaluate
from progsearch.tasks.reading import file_times, read_task
from progsearch.tasks.sampling import spread_subset
from progsearch.tasks.split import Split
from progsearch.tasks.tokenising import tokenise, tokenizer_fingerprint


@dataclass(frozen=True)
class TaskData:
    """A tokenised task.

    Attributes:
        name: The task's name.
        train: What is trained on.
        validation: What runs are compared on.
        extra_validation: Further validation sets by name (MNLI: ``mismatched``).
        test: For the end; only where there are labelled test examples.
        label_names: Names of the classes by index; empty for regression.
        metrics: Names of the metrics, the primary one first.
        fingerprint: A hash of the tokenised data and the metrics.
    """

    name: str
    train: Split
    validation: Split
    extra_validation: dict[str, Split]
    test: Split | None
    label_names: tuple[str, ...]
    metrics: tuple[str, ...]
    fingerprint: str

    def splits(self) -> list[Split]:
        """All data of the task, the training data first."""
        labelled = [self.train, self.validation, *self.extra_validation.values()]
        return labelled if self.test is None else [*labelled, self.test]

    @property
    def regression(self) -> bool:
        """Whether labels are numbers instead of classes."""
        return not self.label_names

    @property
    def n_labels(self) -> int:
        """Outputs a model for this task has: its classes, or 1 for regression."""
        return len(self.label_names) or 1

    @property
    def metric(self) -> str:
        """The primary metric; more is better."""
        return self.metrics[0]

    def evaluate(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """All metrics of the task, the primary one first.

        Args:
            logits: Outputs, shape (examples, n_labels).
            labels: Labels, shape (examples,).

        Returns:
            The metrics by name; all NaN where an output is not finite.
        """
        return evaluate(self.metrics, logits, labels)

    def majority(self) -> float | None:
        """What the best constant answer reaches on the validation data in the primary metric.

        For accuracy the share of the most frequent class; None where a constant has no score
        (correlations).
        """
        return best_constant(self.metric, self.validation.labels.numpy())


_loaded: dict[tuple[Any, ...], TaskData] = {}


def load_task(config: TaskConfig, tokenizer: Any) -> TaskData:
    """Read and tokenise a task; tokenised data is kept on disk, and in memory per process.

    Args:
        config: Which data, and how it is read.
        tokenizer: A tokenizer with a padding token.

    Raises:
        TaskError: The data is not there or cannot be used.
    """
    key = (config, file_times(config), tokenizer_fingerprint(tokenizer))
    if key not in _loaded:
        _loaded[key] = _load(config, tokenizer)
    return _loaded[key]


def _load(config: TaskConfig, tokenizer: Any) -> TaskData:
    task = read_task(config)
    train = task.train
    if config.max_train_samples is not None and config.max_train_samples < len(train):
        train = train.subset(spread_subset(train.labels, config.max_train_samples))
    splits = {
        name: tokenise(examples, tokenizer, config.max_length)
        for name, examples in (
            ("train", train),
            ("validation", task.validation),
            *task.extra_validation.items(),
            *([("test", task.test)] if task.test else []),
        )
    }
    parts = [(name, split.fingerprint()) for name, split in splits.items()]
    identity = repr([task.metrics, task.label_names, parts])
    return TaskData(
        name=task.name,
        train=splits.pop("train"),
        validation=splits.pop("validation"),
        test=splits.pop("test", None),
        extra_validation=splits,
        label_names=task.label_names,
        metrics=task.metrics,
        fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:16],
    )
