"""Finds the text columns and the label column of a table, or says that they are not clear."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing, number
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import Kind, kind_of, normalised

LABEL_NAMES = (
    "label",
    "labels",
    "target",
    "class",
    "sentiment",
    "stars",
    "score",
    "rating",
    "category",
    "y",
)
"""Names of a label column that everyone would take. The first counts if several say the same."""

_PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "answer"),
    ("question", "context"),
    ("query", "passage"),
    ("title", "text"),
    ("title", "content"),
    ("title", "body"),
    ("title", "description"),
    ("subject", "body"),
)
_TEXT_NAMES = frozenset(
    (
        *("text", "sentence", "review", "comment", "content", "body", "message", "tweet"),
        *("document", "comment_text", "review_text", "review_body"),
        *(name for pair in _PAIRS for name in pair),
    )
)
_SHOWN = 10


@dataclass(frozen=True)
class Columns:
    """The columns of a task.

    Attributes:
        texts: The text columns, two for pairs.
        label: The label column.
        left_out: Why each other column is neither, if that was found and not given.
    """

    texts: tuple[str, ...]
    label: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    def note(self, source: str) -> str | None:
        """A sentence on the columns that are left out; None if there are none."""
        if not self.left_out:
            return None
        shown = [f"{name} ({why})" for name, why in self.left_out.items()]
        more = ", ..." if len(shown) > _SHOWN else ""
        return f"{source}: columns left out: {', '.join(shown[:_SHOWN])}{more}"


def choose_columns(table: Table, texts: tuple[str, ...] | None, label: str | None) -> Columns:
    """The text columns and the label column, given or inferred; never guessed.

    Args:
        table: The training rows.
        texts: The text columns that the user gave, if any.
        label: The label column that the user gave, if any.

    Raises:
        TaskError: A column does not exist or is given twice, or it is not clear which ones are
            meant; the message names those that may be.
    """
    named = [*(texts or ()), *([label] if label else [])]
    for name in named:
        table.column(name)
        if named.count(name) > 1:
            raise TaskError(
                f"column {name!r} is named twice: the text columns and the label column must all "
                "be different"
            )
    if texts and label:
        return Columns(texts, label)
    kinds = {name: kind_of(table, name) for name in table.columns}
    if table.has_header:
        _check_header(table, kinds)
    label = label or _find_label(table, kinds, texts or ())
    if texts:
        return Columns(texts, label)
    return _find_texts(table, kinds, label)


def read_texts(table: Table, column: str) -> list[str]:
    """The texts of a column.

    Raises:
        TaskError: There is no such column, or a row has no text.
    """
    texts = []
    for row, value in enumerate(table.column(column), 1):
        if is_missing(value):
            raise TaskError(
                f"{table.source}, row {row} has no text in column {column!r}: add it or remove "
                "the row"
            )
        if isinstance(value, bytes):
            raise TaskError(
                f"{table.source}, row {row} is not UTF-8 in column {column!r}: correct it or "
                "remove the row, or name a column of texts with --text-columns"
            )
        if isinstance(value, (list, dict)):
            raise TaskError(
                f"{table.source}, row {row} has a {type(value).__name__} in column {column!r}: "
                "name a text column with --text-columns"
            )
        texts.append(str(value))
    return texts


def _check_header(table: Table, kinds: Mapping[str, Kind]) -> None:
    names = list(table.columns)
    # Tables whose columns have no names are written with their places by some programs.
    if names == [str(place) for place in range(len(names))]:
        return
    for name, values in table.columns.items():
        few = kinds[name].repeats or kinds[name].distinct <= 10
        found = few and name in [str(value).strip() for value in values]
        if found or number(name) is not None:
            why = "is also a value of its column" if found else "is a number"
            raise TaskError(
                f"{table.source}: the first row looks like data, not like names of columns "
                f"({name!r} {why}): add a first row of names, such as text,label; if they are "
                "names, give --text-columns and --label-column"
            )


def _find_label(table: Table, kinds: Mapping[str, Kind], texts: tuple[str, ...]) -> str:
    rest = [name for name in table.columns if name not in texts]
    if not rest:
        raise TaskError(
            f"{table.source} has no column left for the labels: its columns are "
            f"{', '.join(table.columns)}"
        )
    known = sorted(
        (name for name in rest if normalised(name) in LABEL_NAMES),
        key=lambda name: LABEL_NAMES.index(normalised(name)),
    )
    declared = [name for name in rest if name in table.classes]
    if len(known) > 1:
        first, *others = [name for name in known if name in declared] or known
        others = [name for name in others if not _same(table, name, first)]
        if others:
            raise TaskError(
                f"{table.source} has several columns with a label's name, "
                f"{_listed([first, *others])}: name one with --label-column"
            )
        return first
    if known or len(declared) == 1:
        return (known or declared)[0]
    may_be = [
        name for name in rest if kinds[name].may_be_label and normalised(name) not in _TEXT_NAMES
    ]
    if len(may_be) == 1 and (texts or len(rest) > 1):
        return may_be[0]
    if len(may_be) > 1:
        raise TaskError(
            f"{table.source}: the label column is not clear, it may be {_listed(may_be, 'or')}: "
            f"name it with --label-column{_on_several(table, may_be)}"
        )
    raise TaskError(
        f"{table.source} has no label column, only {_described(rest, kinds)}: add a column of "
        "labels, or name it with --label-column"
    )


def _on_several(table: Table, names: Sequence[str]) -> str:
    """What to do if several columns of 0 and 1 are the labels together."""
    answers = [
        name
        for name in names
        if {str(v).strip().casefold() for v in table.columns[name] if not table.is_missing(v)}
        <= {"0", "1", "0.0", "1.0", "true", "false"}
    ]
    if len(answers) < 2:
        return ""
    given = ",".join(answers[:_SHOWN]) + (",..." if len(answers) > _SHOWN else "")
    return (
        f"; {_listed(answers)} are 0 or 1: if a row can have several of them, the data is "
        f"multi-label, given as --label-column {given}"
    )


def _find_texts(table: Table, kinds: Mapping[str, Kind], label: str) -> Columns:
    left_out = {}
    may_be = []
    for name in table.columns:
        if name != label:
            reason = _why_no_text(table, kinds[name], name, label)
            if reason is None:
                may_be.append(name)
            else:
                left_out[name] = reason
    if not may_be:
        # With few rows a text, too, may return with its label.
        may_be = [name for name in left_out if _is_only_like_label(table, name, label)]
        may_be = may_be if len(may_be) == 1 else []
    texts = _clear(may_be, kinds)
    if texts:
        others = {name: _why_not_this(kinds[name]) for name in may_be if name not in texts}
        left_out = {n: w for n, w in (left_out | others).items() if n not in texts}
        return Columns(texts, label, left_out)
    if not may_be:
        raise TaskError(
            f"{table.source} has no text column beside the label {label!r}, only "
            f"{_listed([f'{n} ({w})' for n, w in left_out.items()]) or 'that'}: name one or two "
            "with --text-columns"
        )
    raise TaskError(
        f"{table.source}: the text columns are not clear, they may be {_listed(may_be)} (label: "
        f"{label}): name one, or two for pairs, with --text-columns"
    )


def _why_no_text(table: Table, kind: Kind, name: str, label: str) -> str | None:
    if any(isinstance(value, (list, dict)) for value in table.columns[name]):
        return "lists"
    if normalised(name) in _TEXT_NAMES and kind.words:
        return None
    if kind.never is not None:
        return kind.never
    if not kind.words:
        return "yes or no" if kind.yes_or_no else "numbers"
    if _same(table, name, label):
        return f"the same as {label}"
    return "yes or no" if kind.yes_or_no else None


def _is_only_like_label(table: Table, name: str, label: str) -> bool:
    related = normalised(name).startswith(normalised(label))
    return not related and _same(table, name, label)


def _clear(may_be: Sequence[str], kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """The text columns, if there is no doubt."""
    if len(may_be) == 1:
        return (may_be[0],)
    by_name = {normalised(name): name for name in reversed(may_be)}
    for pair in _PAIRS:
        if set(pair) <= set(by_name):
            return tuple(by_name[name] for name in pair)
    prose = [name for name in may_be if kinds[name].prose]
    lasting = prose or [name for name in may_be if not kinds[name].repeats]
    if len(lasting) == 1:
        return (lasting[0],)
    if len(lasting) == 2 and _are_two_of_a_kind(*lasting):
        return tuple(lasting)
    named = [name for name in may_be if normalised(name) in _TEXT_NAMES]
    return (named[0],) if len(named) == 1 and not prose else ()


def _are_two_of_a_kind(first: str, second: str) -> bool:
    """Whether names differ in their last sign alone: ``text_a`` and ``text_b``."""
    ends = normalised(first)[-1:] + normalised(second)[-1:]
    return first[:-1] == second[:-1] and ends in ("12", "ab", "01")


def _why_not_this(kind: Kind) -> str:
    if kind.prose:
        return "another text"
    return "few values" if kind.repeats else "short words"


def _same(table: Table, name: str, label: str) -> bool:
    """Whether each value of a column has its own label and each label its own value."""
    pairs = {
        (str(value).strip(), str(answer).strip())
        for value, answer in zip(table.columns[name], table.columns[label], strict=True)
        if not (table.is_missing(value) or table.is_missing(answer))
    }
    values, answers = ({pair[side] for pair in pairs} for side in (0, 1))
    return len(pairs) == len(values) == len(answers) and 1 < len(pairs) < len(table)


def _described(names: Sequence[str], kinds: Mapping[str, Kind]) -> str:
    def word(kind: Kind) -> str:
        return kind.never or ("text" if kind.words else "numbers")

    return _listed([f"{name} ({word(kinds[name])})" for name in names])


def _listed(names: Sequence[str], word: str = "and") -> str:
    shown = list(names[:_SHOWN])
    if len(names) > _SHOWN:
        return ", ".join([*shown, "..."])
    return f" {word} ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""
