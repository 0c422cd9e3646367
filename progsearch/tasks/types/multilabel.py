"""Multi-label classification: each text or pair of texts has any number of labels, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from progsearch.config import Answers, TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import Head
from progsearch.tasks.examples import TextTask
from progsearch.tasks.sources.cells import is_missing
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.split import Split
from progsearch.tasks.types.base import Metric
from progsearch.tasks.types.kinds import normalised
from progsearch.tasks.types.label_column import LABEL_NAMES
from progsearch.tasks.types.label_sets import are_single, holds_sets, is_yes, joined, learn_sets
from progsearch.tasks.types.labels import LabelReader
from progsearch.tasks.types.metrics import class_scores, if_finite, import_libraries, score
from progsearch.tasks.types.texts import TextType, columns_of


class MultiLabel(TextType):
    """Any number of labels per example; the loss is the binary cross entropy of the logits.

    A label is predicted if its probability, the sigmoid of its logit, is above 0.5. The labels are
    in one column, as lists or dictionaries, or in several columns of 0 and 1.
    """

    name = "multilabel"
    description = "any number of labels per text or pair of texts"
    metrics = (
        Metric("f1_micro", description="F1 score over all labels of all texts"),
        Metric("f1_macro", description="mean of the F1 scores of all classes"),
        Metric("subset_accuracy", description="share of texts with all labels right"),
    )

    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Whether the user names several label columns, or cells are dictionaries or lists.

        Lists of one label each are classes.
        """
        if _several(source, config) is not None:
            return True
        if source.is_official:
            return False
        _, label = columns_of(source, config)
        return holds_sets(source.train, label) and not are_single(source.train, label)

    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """See `TaskType.read`."""
        several = _several(source, config)
        if several is not None:
            source, config = _with_one_column(source, config, several)
        return super().read(source, config)

    def learn(self, table: Table, column: str, config: TaskConfig) -> LabelReader:
        """See `TextType.learn`."""
        return learn_sets(table, column)

    def head(self, labels: LabelReader) -> Head:
        """See `TextType.head`."""
        return Head(len(labels.names), labels.names, problem_type="multi_label_classification")

    def default_metrics(self, labels: LabelReader) -> tuple[str, ...]:
        """See `TextType.default_metrics`."""
        return ("f1_micro", "f1_macro", "subset_accuracy")

    def targets_in_words(self, head: Head) -> str:
        """See `TaskType.targets_in_words`."""
        return f"{head.n_outputs} labels"

    def strata(self, answers: np.ndarray | Sequence[Any]) -> np.ndarray | None:
        """The rarest label of each row; rows without a label are a class of their own."""
        answers = np.asarray(answers)
        counts = answers.sum(axis=0)
        rarest: np.ndarray = np.where(answers > 0, counts, np.inf).argmin(axis=1)
        rarest[answers.sum(axis=1) == 0] = answers.shape[1]
        return rarest

    def in_order(self, task: TextTask, order: Sequence[int]) -> TextTask:
        """See `TaskType.in_order`."""
        return task.in_order(order, lambda answers: answers[:, list(order)])

    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """See `TaskType.evaluate`; ``kept`` holds logits, shape ``(rows, labels)``."""
        labels = split.targets["labels"].numpy()
        return if_finite(names, kept, lambda name: score(name, kept > 0, labels > 0))

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether all rows get the same labels."""
        return super().is_constant(kept > 0, split)

    def per_class(self, kept: np.ndarray, split: Split, head: Head) -> dict[str, dict[str, float]]:
        """See `class_scores`."""
        labels = split.targets["labels"].numpy() > 0
        return class_scores(head.label_names, kept > 0, labels)

    def answers(self, split: Split, head: Head) -> Answers:
        """See `TaskType.answers`."""
        labels = split.targets["labels"].numpy() > 0
        counts = labels.sum(axis=0).tolist()
        return Answers(
            classes=dict(zip(head.label_names, counts, strict=True)),
            labelled=int(labels.any(axis=1).sum()),
        )

    def constant(self, name: str, split: Split) -> float:
        """The score of the same labels for all rows, the best ones for the metric.

        For n rows and c true ones of a label, the F1 of always predicting it is ``2 c / (n + c)``.
        Micro F1 is best with the most frequent labels, as many of them as pays.
        """
        labels = split.targets["labels"].numpy() > 0
        counts, n = labels.sum(axis=0), len(labels)
        if name == "subset_accuracy":
            return float(np.unique(labels, axis=0, return_counts=True)[1].max() / n)
        if name == "f1_macro":
            return float((2 * counts / (n + counts)).mean())
        found = np.cumsum(np.sort(counts)[::-1])
        predicted = n * np.arange(1, len(counts) + 1)
        return float((2 * found / (predicted + counts.sum())).max())

    def prepare(self, names: Sequence[str]) -> None:
        """See `TaskType.prepare`."""
        import_libraries(names)


@dataclass(frozen=True)
class _Several:
    """Several label columns: the label of each, and whether they are keys of dictionaries."""

    labels: dict[str, str]
    keys: bool = False


def _several(source: Source, config: TaskConfig) -> _Several | None:
    """The label columns, if the user named several or the labels were dictionaries; else None.

    Raises:
        TaskError: One is named twice or is a text column.
    """
    given, columns = source.label_column or config.label_column, source.train.columns
    if given in columns:
        return None
    if given is None or "," not in given:
        return _keys(source.train, given)
    names = [part.strip() for part in given.split(",") if part.strip()]
    texts = source.text_columns or config.text_columns or ()
    for name in names:
        source.train.column(name)
        if names.count(name) > 1 or name in texts:
            raise TaskError(
                f"column {name!r} is named twice: the text columns and the label columns must all "
                "be different"
            )
    return _Several({name: name for name in names})


def _keys(table: Table, given: str | None) -> _Several | None:
    """The columns that a column of dictionaries became, such as ``labels.price``."""
    has_label = any(normalised(name) in LABEL_NAMES for name in table.columns)
    for prefix in [given] if given else [] if has_label else LABEL_NAMES:
        columns = [name for name in table.columns if name.startswith(f"{prefix}.")]
        values = (value for name in columns for value in table.columns[name])
        if len(columns) > 1 and (
            given or all(is_missing(value) or is_yes(value) is not None for value in values)
        ):
            return _Several({name: name.removeprefix(f"{prefix}.") for name in columns}, keys=True)
    return None


def _with_one_column(
    source: Source, config: TaskConfig, several: _Several
) -> tuple[Source, TaskConfig]:
    name = ", ".join(several.labels)

    def changed(table: Table) -> Table:
        if several.keys:
            _check_keys(table, several.labels)
        return joined(table, several.labels, name, keys=several.keys)

    source = replace(
        source,
        train=changed(source.train),
        validation=None if source.validation is None else changed(source.validation),
        test=None if source.test is None else changed(source.test),
        extra_validation={n: changed(table) for n, table in source.extra_validation.items()},
    )
    return source, config.model_copy(update={"label_column": name})


def _check_keys(table: Table, labels: Mapping[str, str]) -> None:
    """Check that no dictionary has a label that the training rows do not have."""
    prefix = next(iter(labels)).removesuffix(next(iter(labels.values())))
    for name in table.columns:
        if name.startswith(prefix) and name not in labels:
            raise TaskError(
                f"{table.source}: label {name.removeprefix(prefix)!r} does not occur in the "
                f"training data (which has {', '.join(labels.values())}): leave it out"
            )
