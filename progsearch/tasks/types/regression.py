"""Regression: each text or pair of texts has one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from progsearch.config import Answers, TaskConfig
from progsearch.models.head import Head
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import Table
from progsearch.tasks.split import Split
from progsearch.tasks.types.base import Metric
from progsearch.tasks.types.labels import LabelReader, holds_numbers, learn_numbers
from progsearch.tasks.types.metrics import if_finite, import_libraries, score
from progsearch.tasks.types.texts import TextType, columns_of

# Predictions that spread less than this share of the targets' spread are constant: a calibrated
# model with such a spread would explain 0.01 % of the targets' variance. It is above the rounding
# of bf16 outputs, which makes a constant look like a few values.
_NO_SPREAD = 0.01


class Regression(TextType):
    """One number per example; the loss is the squared error of the model's output."""

    name = "regression"
    description = "one number per text or pair of texts"
    metrics = (
        Metric("pearson", worst=-1.0, description="Pearson's correlation with the labels"),
        Metric("spearman", worst=-1.0, description="Spearman's rank correlation with the labels"),
    )

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
        return ("pearson", "spearman")

    def targets_in_words(self, head: Head) -> str:
        """See `TaskType.targets_in_words`."""
        return "numbers as labels"

    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """See `TaskType.evaluate`; ``kept`` holds outputs, shape ``(rows, 1)``."""
        labels = split.targets["labels"].numpy()
        return if_finite(names, kept, lambda name: score(name, kept.reshape(-1), labels))

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether the predictions hardly spread, compared with the targets."""
        labels = split.targets["labels"].numpy()
        return len(kept) > 1 and bool(kept.std() <= _NO_SPREAD * labels.std())

    def answers(self, split: Split, head: Head) -> Answers:
        """See `TaskType.answers`."""
        labels = split.targets["labels"].numpy()
        # Rounded to hide conversion errors: fp32 holds about six digits.
        least, greatest = (float(f"{value:.6g}") for value in (labels.min(), labels.max()))
        return Answers(span=(least, greatest))

    def prepare(self, names: Sequence[str]) -> None:
        """See `TaskType.prepare`."""
        import_libraries(names)
