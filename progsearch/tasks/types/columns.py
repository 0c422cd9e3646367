"""Finds the text columns and the label column of a table, or says that they are not clear."""

from __future__ import annotations

from collections.abc import Mapping

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing, number
from progsearch.tasks.sources.delimited import nameless
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import TEXT_NAMES, Kind, kind_of, normalised
from progsearch.tasks.types.label_column import LABEL_NAMES, find_label
from progsearch.tasks.types.text_columns import Columns, find_texts


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
    label = label or find_label(table, kinds, texts or ())
    if texts:
        return Columns(texts, label)
    return find_texts(table, kinds, label)


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
                "join its words to one text, or name another column with --text-columns"
            )
        texts.append(str(value))
    return texts


def _check_no_second_header(table: Table) -> None:
    """Refuse a row of names among the data: of a title before them, or of joined files."""
    columns = list(table.columns.items())
    first_name, first_values = columns[0]
    rows = range(len(table)) if first_name in first_values else ()
    for row in rows:
        if all(values[row] == name for name, values in columns):
            raise TaskError(
                f"{table.source}, {table.places([row])} repeats the names of the columns: remove "
                "it"
            )
    first = [normalised(str(values[0])) for _, values in columns]
    if any(cell in TEXT_NAMES for cell in first) and any(cell in LABEL_NAMES for cell in first):
        raise TaskError(
            f"{table.source}, {table.places([0])} looks like the names of the columns: remove the "
            "lines before it"
        )


def _check_header(table: Table, kinds: Mapping[str, Kind]) -> None:
    names = list(table.columns)
    _check_no_second_header(table)
    if len(names) > 1 and names[1:] == [nameless(place + 1) for place in range(1, len(names))]:
        raise TaskError(
            f"{table.source}: the first row names only one column ({names[0]!r}): remove the "
            "lines before the names of the columns, or name each column"
        )
    # Tables whose columns have no names are written with their places by some programs.
    if names == [str(place) for place in range(len(names))]:
        return
    for name, values in table.columns.items():
        few = kinds[name].repeats or kinds[name].distinct <= 10
        found = few and name in set(map(str.strip, map(str, values)))
        if found or number(name) is not None:
            why = "is also a value of its column" if found else "is a number"
            raise TaskError(
                f"{table.source}: the first row looks like data, not like names of columns "
                f"({name!r} {why}): add a first row of names, such as text,label; if they are "
                "names, give --text-columns and --label-column"
            )
