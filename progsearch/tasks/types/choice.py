"""Multiple choice: one of several texts fits each question or beginning."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from progsearch.config import Answers, TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import Head
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.sampling import hold_out
from progsearch.tasks.sources.missing import complete_rows
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.split import Split
from progsearch.tasks.tokenising import tokenise
from progsearch.tasks.types.base import Metric, TaskType
from progsearch.tasks.types.choice_columns import ChoiceColumns, find_columns, read_choices
from progsearch.tasks.types.columns import read_texts
from progsearch.tasks.types.metrics import if_finite


class MultipleChoice(TaskType):
    """Each choice is scored with its beginning; the loss is the cross entropy over the choices."""

    name = "multiple-choice"
    description = "the one of several texts that fits a question or a beginning"
    metrics = (Metric("accuracy", description="share of right answers"),)

    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Whether there are columns of choices, of their beginning and of the right choice."""
        return not source.is_official and find_columns(source, config) is not None

    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """See `TaskType.read`."""
        columns = find_columns(source, config)
        if columns is None:
            raise TaskError(
                f"{source.train.source} has no choices (its columns are "
                f"{', '.join(source.train.columns)}): name the columns question, choices (lists) "
                "and label, or as in SWAG sent1, sent2, ending0, ending1 and so on, and label"
            )
        complete = (columns.beginning, *columns.choices, columns.label)
        source, notes = complete_rows(source, complete, columns.label, drop=config.drop_missing)
        train = _examples(source.train, columns)
        n_choices = len(train.texts[1][0])
        if source.validation is not None:
            validation = _examples(source.validation, columns, n_choices)
        else:
            train, validation = hold_out(source.train.source, train, None)
        test = source.labelled_test(columns.label)
        return TextTask(
            name=source.name,
            type=self,
            train=train,
            validation=validation,
            head=Head(1, auto_class="AutoModelForMultipleChoice"),
            metrics=("accuracy",),
            text_columns=(columns.beginning, *columns.choices),
            label_column=columns.label,
            test=None if test is None else _examples(test, columns, n_choices),
            notes=notes,
        )

    def targets_in_words(self, head: Head) -> str:
        """See `TaskType.targets_in_words`."""
        return "choices"

    def encode(self, examples: Examples, tokenizer: Any, max_length: int) -> Split:
        """See `TaskType.encode`: a sequence for each choice."""
        beginnings, choices = examples.texts
        n_choices = len(choices[0])
        pairs = (
            [beginning for beginning in beginnings for _ in range(n_choices)],
            list(chain.from_iterable(choices)),
        )
        return Split.of(
            tokenise(pairs, tokenizer, max_length),
            {"labels": np.asarray(examples.answers)},
            pad_id=tokenizer.pad_token_id,
            n_choices=n_choices,
        )

    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """See `TaskType.evaluate`; ``kept`` has shape ``(rows, choices)``."""
        labels = split.targets["labels"].numpy()
        return if_finite(names, kept, lambda _: float((kept.argmax(axis=-1) == labels).mean()))

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether the same choice by its place is made in all rows."""
        return super().is_constant(kept.argmax(axis=-1), split)

    def answers(self, split: Split, head: Head) -> Answers:
        """See `TaskType.answers`: how often each place is the right one."""
        counts = np.bincount(split.targets["labels"].numpy(), minlength=split.n_choices)
        return Answers(classes={f"choice {n}": int(count) for n, count in enumerate(counts)})

    def constant(self, name: str, split: Split) -> float | None:
        """The share of the place that is most often the right one."""
        counts = np.bincount(split.targets["labels"].numpy())
        return float(counts.max() / counts.sum())


def _examples(table: Table, columns: ChoiceColumns, n_choices: int | None = None) -> Examples:
    choices, labels = read_choices(table, columns, n_choices)
    return Examples((read_texts(table, columns.beginning), choices), labels)
