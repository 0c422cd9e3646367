"""Examples as text: what a task type reads from a source's tables, before tokenisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from progsearch.models.head import Head

if TYPE_CHECKING:
    from progsearch.tasks.types.base import TaskType


@dataclass(frozen=True)
class Examples:
    """The examples of one split.

    Attributes:
        texts: One list of texts, or several of the same length, such as two for pairs.
        answers: The target of each example, as read by the task type: class indices (int64) or
            numbers (float32) in an array, or anything else in a list.
    """

    texts: tuple[list[Any], ...]
    answers: np.ndarray | Sequence[Any]

    def __len__(self) -> int:
        return len(self.answers)

    def subset(self, indices: np.ndarray) -> Examples:
        """The examples at ``indices``, in that order."""
        texts = tuple([column[i] for i in indices] for column in self.texts)
        if isinstance(self.answers, np.ndarray):
            return Examples(texts, self.answers[indices])
        return Examples(texts, [self.answers[i] for i in indices])


@dataclass(frozen=True)
class TextTask:
    """A task as text.

    Attributes:
        name: The task's name.
        type: The task type.
        train: Training examples.
        validation: Validation examples.
        head: The head that the model needs.
        metrics: Names of the metrics, the primary one first.
        text_columns: The text columns, if known.
        label_column: The label column, if known.
        extra_validation: Further validation sets by name (MNLI mismatched).
        test: Labelled test examples, if there are any.
        notes: How the data was read, if there were several ways: one sentence each.
    """

    name: str
    type: TaskType
    train: Examples
    validation: Examples
    head: Head
    metrics: tuple[str, ...]
    text_columns: tuple[str, ...] = ()
    label_column: str | None = None
    extra_validation: dict[str, Examples] = field(default_factory=dict)
    test: Examples | None = None
    notes: tuple[str, ...] = ()

    def in_order(self, order: Sequence[int], move: Callable[[np.ndarray], np.ndarray]) -> TextTask:
        """The task with its classes in another order.

        Args:
            order: For each class in the new order, its index in ``head.label_names``.
            move: Gives the answers of a split in the new order.
        """

        def moved(examples: Examples) -> Examples:
            return replace(examples, answers=move(np.asarray(examples.answers)))

        names = tuple(self.head.label_names[index] for index in order)
        return replace(
            self,
            head=replace(self.head, label_names=names),
            train=moved(self.train),
            validation=moved(self.validation),
            extra_validation={n: moved(e) for n, e in self.extra_validation.items()},
            test=None if self.test is None else moved(self.test),
        )
