"""The base class of task types: everything the package needs to know about a kind of task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from progsearch.config import Answers, TaskConfig
from progsearch.models.head import Head
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import TextFiles

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from progsearch.models.output import OutputKind
    from progsearch.tasks.split import Split


@dataclass(frozen=True)
class Metric:
    """A task metric (not a contribution metric, which scores blocks).

    Attributes:
        name: The name that users write.
        higher_is_better: Whether a higher value is better.
        worst: The value of the worst possible prediction.
        maximised_as: If less is better: the metric of the type that ranks models in the same way,
            has no unit and is maximised instead, since searches maximise their metric.
        description: What it is, in a few words.
    """

    name: str
    higher_is_better: bool = True
    worst: float = 0.0
    maximised_as: str = ""
    description: str = ""


Keep = Callable[[Any, "Mapping[str, Tensor]"], "Tensor"]
"""Gives the part of a model's output to keep, as `TaskType.keep` does."""


def logits(output: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """The logits of a model's output, in fp32; the form of `TaskType.keep`."""
    found: Tensor = output.logits.float()
    return found


class TaskType(ABC):
    """How examples become inputs and targets, which model and loss they need, and their metrics.

    Attributes:
        name: The name that users write; for another package, the name of its entry point.
        description: One line.
        metrics: All task metrics that tasks of this type can have.
        version: Part of the keys of stored work: raise it when the same data gets another
            treatment that its tokens and targets do not show, such as another `evaluate`.
        usual_length: The number of tokens that examples are cut to if the user gives none.
        learning_rate: The usual rate of full fine-tuning; None: it follows from the model's width.
        text_files: What a ``.txt`` file holds: a table, a text, or a word and its tag per line.
        counts_rows: Whether metrics are measured on the rows that a model takes, instead of on
            examples, which may have several.
        references: Names of schedules that studies of this type train beside the usual ones.

    A type has no state except its constructor arguments, so one object may serve many tasks.
    One whose examples are a text or a pair
    with one answer is a subclass of `progsearch.tasks.types.TextType`, which reads and encodes.

    Example:
        >>> from progsearch.models.head import Head
        >>> from progsearch.tasks.types import Metric, TextType
        >>> from progsearch.tasks.types.labels import learn_classes
        >>> from progsearch.tasks.types.metrics import if_finite
        >>> class Stars(TextType):
        ...     name = "stars"
        ...     description = "one of several ordered classes per text"
        ...     metrics = (Metric("within_one"),)
        ...
        ...     def learn(self, table, column, config):
        ...         return learn_classes(table, column)
        ...
        ...     def head(self, labels):
        ...         return Head(len(labels.names), labels.names)
        ...
        ...     def default_metrics(self, labels):
        ...         return ("within_one",)
        ...
        ...     def evaluate(self, names, kept, split):
        ...         distance = abs(kept.argmax(axis=-1) - split.targets["labels"].numpy())
        ...         return if_finite(names, kept, lambda name: float((distance <= 1).mean()))
    """

    name: ClassVar[str]
    description: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    version: ClassVar[int] = 1
    usual_length: ClassVar[int] = 128
    learning_rate: ClassVar[float | None] = None
    text_files: ClassVar[TextFiles] = "table"
    counts_rows: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ()

    # -- from tables to examples -------------------------------------------------------------

    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Whether the source's data is of this type; asked if neither user nor source say so.

        Only the project's own types are asked: what a recipe means must not depend on which other
        packages are installed.

        Raises:
            TaskError: The data cannot be used with any type.
        """
        return False

    @abstractmethod
    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """The source's data as examples.

        Raises:
            TaskError: A column or a row cannot be used.
        """

    @property
    def identity(self) -> tuple[str, ...]:
        """How this object differs from one made without arguments; part of keys."""
        return ()

    def in_order(self, task: TextTask, order: Sequence[int]) -> TextTask | None:
        """The task with its classes in the order of a trained head.

        Args:
            task: A task from `read`.
            order: For each class in the new order, its index in ``task.head.label_names``.

        Returns:
            The task with labels, class names and metrics in that order; None if this type cannot
            change the order, so that the model gets a new head.
        """
        return None

    def for_model(
        self, task: TextTask, output: OutputKind | None, *, keeps_head: bool
    ) -> TextTask:
        """The task for a model, such as with targets in the unit that suits it.

        Args:
            task: A task from `read`, perhaps with fewer training examples.
            output: The layer that gives the model's outputs.
            keeps_head: Whether training starts from the head in the model's files.

        Returns:
            By default the unchanged task.
        """
        return task

    def fitting_metrics(self, task: TextTask) -> tuple[str, ...]:
        """The names of the task metrics that fit a task."""
        return tuple(metric.name for metric in self.metrics)

    def targets_in_words(self, head: Head) -> str:
        """A description of the targets for messages: ``3 classes``."""
        return self.description

    def strata(self, answers: np.ndarray | Sequence[Any]) -> np.ndarray | None:
        """A class per example, whose proportions subsets keep; None if there are no classes."""
        return None

    # -- from examples to what a model takes -------------------------------------------------

    @abstractmethod
    def encode(self, examples: Examples, tokenizer: Any, max_length: int) -> Split:
        """Tokenise examples and attach the targets, per example or per token.

        Args:
            examples: The result of `read`.
            tokenizer: A tokenizer with a padding token.
            max_length: Examples are truncated to this number of tokens.

        Returns:
            The rows for the model. ``Split.units`` is the weight of each row in the loss, and
            ``Split.example_of`` the example that it belongs to, if examples have several rows.
        """

    def adapted(self, tokenizer: Any) -> Any:
        """The model's tokenizer as tasks of this type use and save it; another object if not so.

        Args:
            tokenizer: With a padding token; it is not changed.

        Raises:
            TaskError: The type cannot use it.
        """
        return tokenizer

    def lengths(self, examples: Examples, tokenizer: Any) -> list[int]:
        """The number of tokens of each example if nothing is cut."""
        texts = ([str(cell) for cell in column] for column in examples.texts)
        encoded = tokenizer(*texts, truncation=False, padding=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def remarks(self, task: str, splits: Mapping[str, Split]) -> tuple[str, ...]:
        """What users should know about the tokenised data: one sentence each.

        Args:
            task: The task's name.
            splits: The results of `encode` by name, as they fit the model.

        Raises:
            TaskError: Tokens cannot express the targets.
        """
        return ()

    def keep(self, output: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The part of a model's output that `evaluate` needs, reduced on the device.

        Args:
            output: The model's output for a batch of ``rows`` padded to ``width``.
            batch: The batch with its targets, as `Split.batch` gives it.

        Returns:
            Shape ``(rows, ...)``; ``(rows, width, ...)`` if `Split.keeps_tokens`.
        """
        return logits(output, batch)

    @property
    def generates(self) -> bool:
        """Whether `at_end` has the model generate text, which needs its whole vocabulary."""
        return False

    def at_end(
        self, model: PreTrainedModel, tokenizer: Any, examples: Examples, max_length: int
    ) -> dict[str, float]:
        """Metrics that take too long for each epoch, of a model after its last step.

        Args:
            model: The trained model.
            tokenizer: Its tokenizer.
            examples: The validation examples.
            max_length: As in `encode`.
        """
        return {}

    @contextmanager
    def as_saved(self, model: PreTrainedModel) -> Iterator[Self]:
        """While active, a trained model is as it is saved; it is changed in place.

        Returns:
            The type whose `keep` gives, for outputs of the saved model, what this type's gives for
            those of the trained one. By default the model and the type are unchanged.
        """
        yield self

    # -- from predictions to metrics ---------------------------------------------------------

    @abstractmethod
    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """Compute the task metrics from a model's outputs.

        Args:
            names: Names of the task metrics.
            kept: The results of `keep` for all rows, in the split's order: shape ``(rows, ...)``,
                or ``(tokens, ...)`` without padding if `Split.keeps_tokens`.
            split: The rows with their targets.

        Returns:
            The metrics by name; all NaN if an output is not finite.
        """

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether the model predicts the same for all rows, so that it has learned nothing.

        By default, whether all outputs are exactly the same. A type whose predictions can be
        the same while outputs differ, such as the class of the largest logit, overrides it.

        Args:
            kept: As in `evaluate`.
            split: The rows with their targets.

        Returns:
            False for fewer than two predictions, which say nothing.
        """
        return len(kept) > 1 and bool((kept == kept[:1]).all())

    def per_class(
        self, kept: np.ndarray, split: Split, head: Head
    ) -> dict[str, dict[str, float]] | None:
        """Several scores of each class by its name; None if the type has no such table.

        Args:
            kept: As in `evaluate`.
            split: The rows with their targets.
            head: The head with the names of the classes.
        """
        return None

    def answers(self, split: Split, head: Head) -> Answers:
        """A summary of the targets of a split, for display."""
        return Answers()

    def constant(self, name: str, split: Split) -> float | None:
        """The metric of the best constant prediction; None if that has no score."""
        return None

    def prepare(self, names: Sequence[str]) -> None:  # noqa: B027
        """Load the libraries of these metrics, so that the first evaluation is not slower."""
