"""The base of task types whose examples are a text or a pair of texts, with one label each."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import Any

import numpy as np

from progsearch.config import TaskConfig
from progsearch.models.head import Head
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.sampling import hold_out
from progsearch.tasks.sources.missing import complete_rows
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import Table
from progsearch.tasks.split import Split
from progsearch.tasks.tokenising import tokenise
from progsearch.tasks.types.base import TaskType
from progsearch.tasks.types.class_names import note_on_unlabelled
from progsearch.tasks.types.columns import choose_columns, read_texts
from progsearch.tasks.types.decimals import are_decimals, few_numbers
from progsearch.tasks.types.labels import LabelReader
from progsearch.tasks.types.text_columns import Columns

_log = logging.getLogger(__name__)


class TextType(TaskType):
    """Texts or pairs of texts with one label each: a class or a number."""

    @abstractmethod
    def learn(self, table: Table, column: str, config: TaskConfig) -> LabelReader:
        """A reader of the labels, made from the training rows."""

    @abstractmethod
    def head(self, labels: LabelReader) -> Head:
        """The head that such labels need."""

    @abstractmethod
    def default_metrics(self, labels: LabelReader) -> tuple[str, ...]:
        """The task metrics of a task that has no official ones, the primary one first."""

    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """See `TaskType.read`."""
        columns = _columns(source, config)
        texts, label = columns.texts, columns.label
        notes: list[str] = []
        if not source.is_official:
            _log.info(
                "%s: text from %s, label from %s", source.train.source, " and ".join(texts), label
            )
            notes += _notes_on(source, columns)
            source, dropped = complete_rows(
                source, (*texts, label), label, drop=config.drop_missing
            )
            notes += dropped
        labels = self.learn(source.train, label, config)
        if not source.is_official:
            notes += _on_labels(source.train, label, labels, config)

        def examples(table: Table) -> Examples:
            read = table.column if source.is_official else lambda name: read_texts(table, name)
            return Examples(tuple(read(name) for name in texts), labels.read(table))

        test = source.labelled_test(label)
        training = examples(source.train)
        if source.validation is not None:
            validating = examples(source.validation)
        else:
            strata = self.strata(training.answers)
            training, validating = hold_out(source.train.source, training, strata)
        return TextTask(
            name=source.name,
            type=self,
            train=training,
            validation=validating,
            head=self.head(labels),
            metrics=self._official_metrics(source) or self.default_metrics(labels),
            text_columns=texts,
            label_column=label,
            extra_validation={n: examples(t) for n, t in source.extra_validation.items()},
            test=examples(test) if test is not None else None,
            notes=tuple(notes),
        )

    def _official_metrics(self, source: Source) -> tuple[str, ...]:
        """The source's metrics, unless the user takes its data as another type than it is of."""
        known = [metric.name for metric in self.metrics]
        return tuple(name for name in source.metrics or () if name in known)

    def encode(self, examples: Examples, tokenizer: Any, max_length: int) -> Split:
        """See `TaskType.encode`: one row and one target per example."""
        tokens = tokenise(examples.texts, tokenizer, max_length)
        return Split.of(
            tokens, {"labels": np.asarray(examples.answers)}, pad_id=tokenizer.pad_token_id
        )


def columns_of(source: Source, config: TaskConfig) -> tuple[tuple[str, ...], str]:
    """The text columns and the label column: from the source, the user, or inferred."""
    columns = _columns(source, config)
    return columns.texts, columns.label


def _columns(source: Source, config: TaskConfig) -> Columns:
    return choose_columns(
        source.train,
        source.text_columns or config.text_columns,
        source.label_column or config.label_column,
    )


def _notes_on(source: Source, columns: Columns) -> tuple[str, ...]:
    """How the files were read, and which columns are left out."""
    tables = (source.train, source.validation, source.test)
    notes = [note for table in tables if table is not None for note in table.notes]
    left_out = columns.note(source.train.source)
    return tuple(notes if left_out is None else [*notes, left_out])


def _on_labels(
    table: Table, label: str, labels: LabelReader, config: TaskConfig
) -> tuple[str, ...]:
    """What else the labels may be."""
    values = table.columns[label]
    doubt = note_on_unlabelled(table, label, labels.names)
    notes = [] if doubt is None or label in table.classes else [doubt]
    if config.type is not None:
        return tuple(notes)
    if len(labels.names) > (2 if labels.whole else 0) and are_decimals(values):
        notes.append(
            f"{table.source}: the decimals in column {label} are read as names of classes; --type "
            "regression predicts them as numbers"
        )
    if not labels.names and config.metric is None and few_numbers(values) is not None:
        notes.append(
            f"{table.source}: the {few_numbers(values)} different numbers in column {label} are "
            "predicted as numbers; --type classification reads them as names of classes"
        )
    return tuple(notes)
