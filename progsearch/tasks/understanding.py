"""Summarises a task's data: columns, labels, rows, and the shares of unknown and cut tokens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from progsearch.config import Answers, Rows, Understood, UnderstoodSplit
from progsearch.numerals import whole_percent
from progsearch.tasks.examples import Examples
from progsearch.tasks.fit import unknown_share
from progsearch.tasks.loading import TaskData
from progsearch.tasks.split import Split
from progsearch.tasks.types import TaskType

_log = logging.getLogger(__name__)

# The number of long texts that are tokenised again in full to count the tokens cut off.
_SAMPLE = 256
_FEWEST = 2
# A validation set of fewer rows moves by more than a point with each of them.
_SMALL = 100
# The share of lost tokens from which it is said.
_MUCH = 0.1
# The share of validation texts that are training texts from which it is said.
_MANY_KNOWN = 0.05


def understand(data: TaskData, tokenizer: Any) -> Understood:
    """Summarise a task's data; log a warning if its metric cannot tell schedules apart.

    Args:
        data: The task.
        tokenizer: The tokenizer of the data.
    """
    source = data.examples
    parts: dict[str, tuple[Split, Examples]] = {
        "train": (data.train, source.train),
        "validation": (data.validation, source.validation),
    }
    for name, split in data.extra_validation.items():
        parts[name] = (split, source.extra_validation[name])
    if data.test is not None and source.test is not None:
        parts["test"] = (data.test, source.test)
    splits = {
        name: UnderstoodSplit(
            rows=len(split) if data.type.counts_rows else len(examples),
            answers=data.type.answers(split, data.head),
            unknown=unknown_share([split], tokenizer),
            cut=None if cut is None else cut.share,
            cut_rows=None if cut is None else cut.rows,
        )
        for name, (split, examples) in parts.items()
        for cut in (_cut(data.type, split, examples, tokenizer, data.max_length),)
    }
    doubts = _doubts(splits, data.metric, data.max_length)
    for doubt in [*doubts, *_on_known_texts(source.train, source.validation)]:
        _log.warning("%s", doubt)
    return Understood(
        type=data.type.name,
        texts=source.text_columns,
        label=source.label_column,
        splits=splits,
        notes=source.notes,
        max_length=data.max_length,
    )


@dataclass(frozen=True)
class _Cut:
    """What was cut off: how many rows, and which share of all tokens."""

    rows: int = 0
    share: float = 0.0


def _cut(
    kind: TaskType, split: Split, examples: Examples, tokenizer: Any, limit: int
) -> _Cut | None:
    """What was cut off, estimated on a sample of the rows of maximum length.

    None if rows are not examples but windows, or have several sequences.
    """
    if len(np.unique(split.example_of)) != len(split) or split.n_choices > 1:
        return None
    full = np.flatnonzero(split.lengths >= limit)
    if not len(full):
        return _Cut()
    sample = full[np.linspace(0, len(full) - 1, min(len(full), _SAMPLE)).astype(int)]
    whole = kind.lengths(examples.subset(split.example_of[sample]), tokenizer)
    lost = np.array(whole) - np.asarray(split.lengths[sample])
    cut = max(0.0, float(lost.mean())) * len(full)
    return _Cut(
        rows=round(float((lost > 0).mean()) * len(full)),
        share=cut / (float(split.lengths.sum()) + cut),
    )


def _doubts(splits: Mapping[str, UnderstoodSplit], metric: str, max_length: int) -> list[str]:
    """What may be wrong with the data, one sentence each."""
    validation = splits["validation"]
    found = []
    if doubt := _doubt(validation.answers, metric):
        found.append(doubt)
    if validation.rows < _SMALL:
        found.append(
            f"there are only {Rows.of('validation', validation.rows, metric)}, so small "
            "differences between schedules are chance: give more with --validation-file"
        )
    train = splits["train"]
    if train.cut is not None and train.cut >= _MUCH:
        found.append(
            f"{train.cut_rows} of {train.rows} training texts are longer than {max_length} tokens "
            f"and lose {whole_percent(train.cut)} of all tokens: raise --max-length"
        )
    return found


def _on_known_texts(train: Examples, validation: Examples) -> list[str]:
    """Whether validation rows have texts of the training rows."""
    known = set(zip(*train.texts, strict=True))
    found = sum(text in known for text in zip(*validation.texts, strict=True))
    if found < _MANY_KNOWN * len(validation):
        return []
    return [
        f"{found} of {len(validation)} validation rows have a text that training rows have, too, "
        "so scores may be too good: remove duplicates"
    ]


def _doubt(answers: Answers, metric: str) -> str | None:
    """Why the metric on the validation data may not tell schedules apart."""
    ask = "give other data with --validation-file, or more of it"
    if answers.span is not None and answers.span[0] == answers.span[1]:
        return (
            f"every row of the validation data has the same number, {answers.span[0]:g}, so "
            f"{metric} cannot tell schedules apart: {ask}"
        )
    classes = answers.classes or {}
    present = [name for name, number in classes.items() if number]
    if answers.labelled is None and len(present) == 1:
        return (
            f"every row of the validation data is of the class {present[0]}, so {metric} cannot "
            f"tell schedules apart: {ask}"
        )
    rare = [f"{name}: {number}" for name, number in classes.items() if number < _FEWEST]
    if rare:
        return (
            f"the validation data has fewer than {_FEWEST} rows of some classes "
            f"({', '.join(rare[:10])}), so {metric} may not tell schedules apart: {ask}"
        )
    return None
