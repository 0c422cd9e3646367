"""Finds the rows without a text or a label, and leaves them out if the user wants that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table


def complete_rows(
    source: Source, columns: Sequence[str], label: str, *, drop: bool
) -> tuple[Source, tuple[str, ...]]:
    """The source with complete rows alone.

    Args:
        source: The data.
        columns: The columns that each row must have a value in.
        label: The one of them that holds the labels.
        drop: Whether rows that miss a value are left out.

    Returns:
        The source, and a note for each table of which rows were left out.

    Raises:
        TaskError: Rows miss a value and are not to be left out, or no row is left. The message
            counts all of them and names the first ones.
    """
    tables = {
        "train": source.train,
        "validation": source.validation,
        "test": source.labelled_test(label),
    }
    found = {
        name: (table, {column: _missing(table, column) for column in columns})
        for name, table in tables.items()
        if table is not None
    }
    lacking = [(t, rows) for t, rows in found.values() if any(rows.values())]
    if not lacking:
        return source, ()
    if not drop:
        raise TaskError(_refusal(lacking, label))
    kept = {name: _without(table, rows) for name, (table, rows) in found.items()}
    notes = tuple(
        f"{table.source}: {len(_union(rows))} of {len(table)} rows without text or label are left "
        "out"
        for table, rows in lacking
    )
    complete = replace(
        source,
        train=kept["train"],
        validation=kept.get("validation"),
        test=kept.get("test"),
    )
    return complete, notes


def _missing(table: Table, column: str) -> list[int]:
    # A class that the data declares may have any name.
    is_empty = is_missing if column in table.classes else table.is_missing
    return [row for row, value in enumerate(table.column(column)) if is_empty(value)]


def _union(rows: dict[str, list[int]]) -> set[int]:
    return set().union(*rows.values())


def _without(table: Table, rows: dict[str, list[int]]) -> Table:
    lacking = _union(rows)
    if not lacking:
        return table
    if len(lacking) == len(table):
        raise TaskError(
            f"{table.source} has no row with all of {', '.join(rows)}: give other data"
        )
    return table.subset([row for row in range(len(table)) if row not in lacking])


def _refusal(lacking: Sequence[tuple[Table, dict[str, list[int]]]], label: str) -> str:
    parts = [
        f"{table.source}: {len(rows)} of {len(table)} rows have no value in column {column!r} "
        f"({table.places(rows)})"
        for table, by_column in lacking
        for column, rows in by_column.items()
        if rows
    ]
    words = sorted(
        {
            str(table.columns[column][row]).strip()
            for table, by_column in lacking
            for column, rows in by_column.items()
            for row in rows
            if not is_missing(table.columns[column][row])
        }
    )
    meant = (
        f" ({', '.join(map(repr, words))} counts as missing: if it is a class, give it another "
        "name in the file)"
        if words
        else ""
    )
    if any(str(cell)[:1] == "[" for table, _ in lacking for cell in table.columns[label]):
        meant += " ([] stands for a row that has no label)"
    return f"{'; '.join(parts)}: complete them, or leave the rows out with --drop-missing{meant}"
