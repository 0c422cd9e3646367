"""Sequence classification: each text or pair of texts has one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from progsearch.config import Answers, TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import Head
from progsearch.tasks.examples import TextTask
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import Table
from progsearch.tasks.split import Split
from progsearch.tasks.types.base import Metric
from progsearch.tasks.types.class_names import note_on_words
from progsearch.tasks.types.label_sets import are_single, holds_sets, without_lists
from progsearch.tasks.types.labels import LabelReader, learn_classes
from progsearch.tasks.types.metrics import class_scores, if_finite, import_libraries, score
from progsearch.tasks.types.positive import positive_class
from progsearch.tasks.types.texts import TextType, columns_of

# The metrics that have a value for a constant prediction.
_WITH_CONSTANT = ("accuracy", "f1", "f1_macro")


class Classification(TextType):
    """One class per example; the loss is the cross entropy of the logits."""

    name = "classification"
    description = "one class per text or pair of texts"
    metrics = (
        Metric("accuracy", description="share of right answers"),
        Metric("f1", description="F1 score of the positive one of two classes"),
        Metric("f1_macro", description="mean of the F1 scores of all classes"),
        Metric(
            "matthews_correlation",
            worst=-1.0,
            description="Matthews' correlation of answers and labels",
        ),
    )

    def __init__(self, positive: int | None = 1) -> None:
        """Set the index of the class that ``f1`` scores; None if no class is known to be it."""
        self._positive = positive

    @property
    def identity(self) -> tuple[str, ...]:
        """See `TaskType.identity`."""
        return () if self._positive in (None, 1) else (f"positive {self._positive}",)

    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Always: data that is not recognised as a regression is read as classes."""
        return True

    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """See `TaskType.read`; of two classes, one is the positive one if that is known."""
        if not source.is_official:
            source = _with_single_labels(source, config)
        task = super().read(source, config)
        if not source.is_official and (note := _note_on_several(source, config, task)):
            task = replace(task, notes=(*task.notes, note))
        if config.positive_class is None and (source.is_official or task.head.n_outputs != 2):
            return task
        positive = positive_class(task.head.label_names, config.positive_class)
        if positive is None:
            if config.metric == "f1":
                first, second = task.head.label_names
                raise TaskError(
                    f"f1 is the F1 score of one class, and neither {first} nor {second} is known "
                    f"to be the positive one: name it, such as --positive-class {first}, or give "
                    "--task-metric f1_macro"
                )
            metrics = tuple("f1_macro" if name == "f1" else name for name in task.metrics)
            task = replace(task, metrics=metrics)
        return replace(task, type=type(self)(positive))

    def learn(self, table: Table, column: str, config: TaskConfig) -> LabelReader:
        """See `TextType.learn`."""
        return learn_classes(table, column, check=config.type is None)

    def head(self, labels: LabelReader) -> Head:
        """See `TextType.head`."""
        return Head(len(labels.names), labels.names, problem_type="single_label_classification")

    def default_metrics(self, labels: LabelReader) -> tuple[str, ...]:
        """See `TextType.default_metrics`."""
        return ("accuracy", "f1" if len(labels.names) == 2 else "f1_macro")

    def fitting_metrics(self, task: TextTask) -> tuple[str, ...]:
        """All metrics; ``f1`` only if one of two classes is the positive one."""
        names = super().fitting_metrics(task)
        has_f1 = task.head.n_outputs == 2 and self._positive is not None
        return names if has_f1 else tuple(n for n in names if n != "f1")

    def targets_in_words(self, head: Head) -> str:
        """See `TaskType.targets_in_words`."""
        return f"{head.n_outputs} classes"

    def strata(self, answers: np.ndarray | Sequence[Any]) -> np.ndarray | None:
        """The classes."""
        return np.asarray(answers)

    def in_order(self, task: TextTask, order: Sequence[int]) -> TextTask:
        """See `TaskType.in_order`."""
        places = np.argsort(order)
        kind = self if self._positive is None else type(self)(int(places[self._positive]))
        return replace(task.in_order(order, lambda answers: places[answers]), type=kind)

    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """See `TaskType.evaluate`; ``kept`` holds logits, shape ``(rows, classes)``."""
        labels = split.targets["labels"].numpy()
        return if_finite(names, kept, lambda n: self._score(n, kept.argmax(axis=-1), labels))

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether all rows get the same class."""
        return super().is_constant(kept.argmax(axis=-1), split)

    def per_class(self, kept: np.ndarray, split: Split, head: Head) -> dict[str, dict[str, float]]:
        """See `class_scores`."""
        labels, classes = split.targets["labels"].numpy(), np.arange(head.n_outputs)
        predicted = kept.argmax(axis=-1)[:, None] == classes
        return class_scores(head.label_names, predicted, labels[:, None] == classes)

    def answers(self, split: Split, head: Head) -> Answers:
        """See `TaskType.answers`."""
        counts = np.bincount(split.targets["labels"].numpy(), minlength=head.n_outputs)
        names = head.label_names
        return Answers(
            classes=dict(zip(names, counts.tolist(), strict=True)),
            positive=None if self._positive is None or len(names) != 2 else names[self._positive],
        )

    def constant(self, name: str, split: Split) -> float | None:
        """For accuracy, the share of the most frequent class; None for correlations."""
        if name not in _WITH_CONSTANT:
            return None
        labels = split.targets["labels"].numpy()
        return max(self._score(name, np.full_like(labels, c), labels) for c in np.unique(labels))

    def _score(self, name: str, predictions: np.ndarray, labels: np.ndarray) -> float:
        positive = 1 if self._positive is None else self._positive
        return score(name, predictions, labels, positive=positive)

    def prepare(self, names: Sequence[str]) -> None:
        """See `TaskType.prepare`."""
        import_libraries(names)


def _with_single_labels(source: Source, config: TaskConfig) -> Source:
    """The source with labels instead of lists of one label each."""
    _, label = columns_of(source, config)
    if not are_single(source.train, label):
        return source
    note = (
        f"{source.train.source}: each list in column {label} has one label, so the labels are "
        "classes; --type multilabel allows several in a row"
    )
    train = without_lists(source.train, label)
    return replace(
        source,
        train=replace(train, notes=(*train.notes, note)),
        validation=source.validation and without_lists(source.validation, label),
        test=source.test and without_lists(source.test, label),
    )


def _note_on_several(source: Source, config: TaskConfig, task: TextTask) -> str | None:
    """That a row may have several labels, if names of classes look so."""
    table, label = source.train, columns_of(source, config)[1]
    if config.type is None:
        names = () if label in table.classes else task.head.label_names
        return note_on_words(table, label, names)
    if not holds_sets(table, label):
        return None
    return (
        f"{table.source}: each different list in column {label} is read as one class; "
        "--type multilabel reads the labels in them"
    )
