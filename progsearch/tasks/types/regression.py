"""Regression: each text or pair of texts has one number."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from progsearch.config import Answers, TaskConfig
from progsearch.models.head import Head, Unit
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import Table
from progsearch.tasks.split import Split
from progsearch.tasks.types.base import Metric
from progsearch.tasks.types.labels import LabelReader, holds_numbers, learn_numbers
from progsearch.tasks.types.metrics import if_finite, import_libraries, score
from progsearch.tasks.types.texts import TextType, columns_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from progsearch.models.output import OutputKind

_log = logging.getLogger(__name__)

# Predictions that spread less than this share of the targets' spread are constant: a calibrated
# model with such a spread would explain 0.01 % of the targets' variance. It is above the rounding
# of bf16 outputs, which makes a constant look like a few values.
_NO_SPREAD = 0.01
_AS_IT_IS = Unit()
_CORRELATIONS = ("pearson", "spearman")


class Regression(TextType):
    """One number per example; the loss is the squared error of the model's output.

    A model is trained on standardised numbers, minus the mean of the training rows and divided by
    their standard deviation, so that the unit of the labels does not decide what is learned. The
    saved model predicts in the unit of the labels: its output layer is scaled and shifted.

    - A layer without a bias, as in decoders, cannot be shifted: labels are only divided.
    - If the outputs are not those of a linear layer, labels are used as they are.
    - A trained head in the model's files is taken to predict in the unit of the labels, and starts
      with the same predictions, standardised.
    """

    name = "regression"
    description = "one number per text or pair of texts"
    metrics = (
        Metric("pearson", worst=-1.0, description="Pearson's correlation with the labels"),
        Metric("spearman", worst=-1.0, description="Spearman's rank correlation with the labels"),
        Metric("r2", worst=-math.inf, description="share of the labels' variance explained"),
        Metric(
            "d2_absolute_error",
            worst=-math.inf,
            description="share of the labels' mean absolute deviation explained",
        ),
        Metric(
            "rmse",
            higher_is_better=False,
            worst=math.inf,
            maximised_as="r2",
            description="root of the mean squared error, in the labels' unit",
        ),
        Metric(
            "mae",
            higher_is_better=False,
            worst=math.inf,
            maximised_as="d2_absolute_error",
            description="mean absolute error, in the labels' unit",
        ),
    )
    version = 2

    def __init__(self, unit: Unit = _AS_IT_IS, *, of_outputs: Unit = _AS_IT_IS) -> None:
        """Set the unit of the labels, and that of the outputs if they are not standardised."""
        self._unit = unit
        self._of_outputs = of_outputs

    @property
    def identity(self) -> tuple[str, ...]:
        """See `TaskType.identity`."""
        return () if self._unit == _AS_IT_IS else (f"{self._unit}",)

    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Whether the labels are decimals, or the user asked for a metric of numbers."""
        names = [metric.name for metric in self.metrics]
        _, label = columns_of(source, config)
        return holds_numbers(source.train, label, config.metric, names)

    def learn(self, table: Table, column: str, config: TaskConfig) -> LabelReader:
        """See `TextType.learn`."""
        return learn_numbers(table, column)

    def head(self, labels: LabelReader) -> Head:
        """See `TextType.head`."""
        return Head(1, problem_type="regression")

    def default_metrics(self, labels: LabelReader) -> tuple[str, ...]:
        """See `TextType.default_metrics`."""
        return ("pearson", "spearman", "rmse", "mae")

    def targets_in_words(self, head: Head) -> str:
        """See `TaskType.targets_in_words`."""
        return "numbers as labels"

    def for_model(
        self, task: TextTask, output: OutputKind | None, *, keeps_head: bool
    ) -> TextTask:
        """The task with standardised targets, as far as the model's output layer allows."""
        numbers = np.asarray(task.train.answers, dtype=np.float64)
        spread = float(numbers.std()) or 1.0
        mean = float(numbers.mean())
        if output is None:
            _log.warning(
                "the model's outputs are not those of a linear layer, so the labels are not "
                "standardised; labels with a mean near 0 and a standard deviation near 1 train "
                "best"
            )
            return task
        if output == "linear":
            _log.info(
                "the model's output layer has no bias, so the labels are divided by their "
                "standard deviation, but their mean is not subtracted"
            )
            mean = 0.0
        unit = Unit(mean, spread)
        head = replace(task.head, unit=unit) if keeps_head else task.head
        return replace(task, type=type(self)(unit), head=head)

    def encode(self, examples: Examples, tokenizer: Any, max_length: int) -> Split:
        """See `TaskType.encode`; the targets are standardised."""
        numbers = np.asarray(examples.answers, dtype=np.float64)
        targets = ((numbers - self._unit.mean) / self._unit.spread).astype(np.float32)
        return super().encode(replace(examples, answers=targets), tokenizer, max_length)

    @contextmanager
    def as_saved(self, model: PreTrainedModel) -> Iterator[Self]:
        """See `TaskType.as_saved`: the saved model predicts in the unit of the labels."""
        if self._unit == _AS_IT_IS:
            yield self
            return
        from progsearch.models.output import in_unit

        with in_unit(model, self._unit):
            yield type(self)(self._unit, of_outputs=self._unit)

    def keep(self, output: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The standardised predictions, shape ``(rows, 1)``."""
        predicted = super().keep(output, batch)
        if self._of_outputs == _AS_IT_IS:
            return predicted
        return (predicted - self._of_outputs.mean) / self._of_outputs.spread

    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """See `TaskType.evaluate`; errors are in the unit of the labels."""
        return if_finite(names, kept, lambda name: self._score(name, kept, split))

    def _score(self, name: str, kept: np.ndarray, split: Split) -> float:
        value = score(name, kept.reshape(-1), split.targets["labels"].numpy())
        return value * self._unit.spread if name in ("rmse", "mae") else value

    def constant(self, name: str, split: Split) -> float | None:
        """That of the mean of the rows or, for absolute errors, the median.

        None for correlations.
        """
        if name in _CORRELATIONS:
            return None
        labels = split.targets["labels"].numpy().astype(np.float64)
        best = labels.mean() if name in ("rmse", "r2") else np.median(labels)
        return self._score(name, np.full_like(labels, best), split)

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether the predictions hardly spread, compared with the targets."""
        labels = split.targets["labels"].numpy()
        return len(kept) > 1 and bool(kept.std() <= _NO_SPREAD * labels.std())

    def answers(self, split: Split, head: Head) -> Answers:
        """See `TaskType.answers`."""
        labels = split.targets["labels"].double().numpy() * self._unit.spread + self._unit.mean
        # Rounded to hide conversion errors: fp32 holds about six digits of the largest number.
        digits = 5 - math.floor(math.log10(np.abs(labels).max() or 1))
        return Answers(span=(round(labels.min(), digits), round(labels.max(), digits)))

    def prepare(self, names: Sequence[str]) -> None:
        """See `TaskType.prepare`."""
        import_libraries(names)
