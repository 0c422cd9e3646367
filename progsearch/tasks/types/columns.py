"""Finds the text columns and the label column of a table."""

from __future__ import annotations

from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing, number
from progsearch.tasks.sources.tables import Table

_LABEL_NAMES = ("label", "labels", "target", "class", "score")
# Used only if a table has more than two text columns.
_TEXT_NAMES = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("text",),
    ("sentence",),
)


def choose_columns(
    table: Table, texts: tuple[str, ...] | None, label: str | None
) -> tuple[tuple[str, ...], str]:
    """The text columns (two for pairs) and the label column, given or inferred.

    Args:
        table: The training rows.
        texts: The text columns that the user gave, if any.
        label: The label column that the user gave, if any.

    Raises:
        TaskError: A column does not exist or is given twice, or the text columns are not clear.
    """
    named = [*(texts or ()), *([label] if label else [])]
    for name in named:
        table.column(name)
        if named.count(name) > 1:
            raise TaskError(
                f"column {name!r} is named twice: the text columns and the label column must all "
                "be different"
            )
    label = label or _guess_label(table, texts or ())
    texts = texts or _guess_texts(table, label)
    return texts, label


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


def _guess_label(table: Table, texts: tuple[str, ...]) -> str:
    rest = [name for name in table.columns if name not in texts]
    if not rest:
        raise TaskError(
            f"{table.source} has no column left for the labels: its columns are "
            f"{', '.join(table.columns)}"
        )
    by_name = {name.lower(): name for name in reversed(rest)}
    return next((by_name[name] for name in _LABEL_NAMES if name in by_name), rest[-1])


def _guess_texts(table: Table, label: str) -> tuple[str, ...]:
    found = tuple(
        name for name, values in table.columns.items() if name != label and _is_text(values)
    )
    if 1 <= len(found) <= 2:
        return found
    for names in _TEXT_NAMES:
        if set(names) <= set(found):
            return names
    candidates = ", ".join(found) or "none"
    raise TaskError(
        f"{table.source}: the text columns are not clear from {', '.join(table.columns)} "
        f"(with text: {candidates}; label: {label}): name one or two with --text-columns"
    )


def _is_text(values: list[Any]) -> bool:
    """Whether most non-empty cells hold a string that is not a number."""
    filled = [value for value in values if not is_missing(value)]
    texts = sum(isinstance(value, str) and number(value) is None for value in filled)
    return 2 * texts > len(filled)
