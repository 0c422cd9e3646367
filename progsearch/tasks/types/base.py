"""What a task type is: all that the rest of the package must know of one kind of task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from progsearch.config import Answers, TaskConfig
from progsearch.models.head import Head
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.sources.source import Source

if TYPE_CHECKING:
    from torch import Tensor

    from progsearch.tasks.split import Split


@dataclass(frozen=True)
class Metric:
    """A metric of a task.

    Attributes:
        name: What users write.
        higher_is_better: Which way it is better.
        worst: The value of the worst answer.
    """

    name: str
    higher_is_better: bool = True
    worst: float = 0.0


class TaskType(ABC):
    """How examples become inputs and targets, which model and loss they take, how they are scored.

    Attributes:
        name: What users write; the name of the entry point for a type of another package.
        description: One line.
        metrics: Every metric that tasks of this type can have.

    A type holds no state but what it is made with: one object may serve many tasks.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]

    # -- from tables to examples -------------------------------------------------------------

    @abstractmethod
    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Whether the source's data is of this type, if neither user nor source say it.

        Raises:
            TaskError: The data cannot be used whatever the type.
        """

    @abstractmethod
    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """The source's data as examples.

        Raises:
            TaskError: A column or a row cannot be used.
        """

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells this object from one that is made without arguments; part of keys."""
        return ()

    def in_order(self, task: TextTask, order: Sequence[int]) -> TextTask | None:
        """The same task with its classes in another order, for a head that was trained with them.

        Args:
            task: What `read` gave.
            order: For each class in the new order its index in ``task.head.label_names``.

        Returns:
            The task with answers, names of classes and metrics in that order; None: this type
            has but one order, so that the model gets a new head.
        """
        return None

    def fitting_metrics(self, task: TextTask) -> tuple[str, ...]:
        """The names of the metrics that fit a task."""
        return tuple(metric.name for metric in self.metrics)

    def targets_in_words(self, head: Head) -> str:
        """What is predicted, for messages: ``3 classes``."""
        return self.description

    def strata(self, answers: np.ndarray | Sequence[Any]) -> np.ndarray | None:
        """A class for each example whose shares subsets keep; None: there are none."""
        return None

    # -- from examples to what a model takes -------------------------------------------------

    @abstractmethod
    def encode(self, examples: Examples, tokenizer: Any, max_length: int) -> Split:
        """Tokenise examples and attach the targets, per example or per token.

        Args:
            examples: What `read` gave.
            tokenizer: A tokenizer with a padding token.
            max_length: Tokens an example is cut to.

        Returns:
            The rows that a model is given. ``Split.units`` says what each counts for in the loss,
            ``Split.example_of`` which example it belongs to, if an example has several rows.
        """

    def keep(self, output: Any) -> Tensor:
        """What is kept of a model's output, reduced on the device.

        Args:
            output: What the model returned for a batch of ``rows`` padded to ``width``.

        Returns:
            Shape ``(rows, ...)``; ``(rows, width, ...)`` if targets are per token.
        """
        kept: Tensor = output.logits.float()
        return kept

    # -- from predictions to metrics ---------------------------------------------------------

    @abstractmethod
    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """The metrics of a model's outputs.

        Args:
            names: Which metrics.
            kept: What `keep` gave for all rows, in the split's order: shape ``(rows, ...)``, or
                ``(tokens, ...)`` without padding if targets are per token.
            split: The rows with their targets.

        Returns:
            The metrics by name; all NaN if an output is not finite.
        """

    def answers(self, split: Split, head: Head) -> Answers:
        """What is to be predicted in a split, for people."""
        return Answers()

    def constant(self, name: str, split: Split) -> float | None:
        """The metric of the best answer that is always the same; None if that has no score."""
        return None

    def prepare(self, names: Sequence[str]) -> None:  # noqa: B027
        """Load what the metrics need, so that the first evaluation takes no longer than others."""
