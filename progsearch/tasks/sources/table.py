"""The rows of a file or split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing

_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of one file or split; compared by identity, since tables are large.

    Attributes:
        source: The file or split, for error messages.
        columns: Values by column name, in the file's order; all have the same length. Text files
            give strings; other files give their own types.
        classes: The names of all classes in order, for the columns that declare them.
        lines: The line of the file on which each row begins; None if rows have no lines.
        has_header: Whether the names are the first row of a file, which might be a row of data.
        missing_words: Words that stand for a missing value.
        notes: How the file was read, if there were several ways.
    """

    source: str
    columns: dict[str, list[Any]]
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: tuple[int, ...] | None = None
    has_header: bool = False
    missing_words: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def column(self, name: str) -> list[Any]:
        """The values of a column.

        Raises:
            TaskError: There is no such column; the message lists the existing ones.
        """
        if name not in self.columns:
            raise TaskError(
                f"{self.source} has no column {name!r}: its columns are {', '.join(self.columns)}"
            )
        return self.columns[name]

    def is_missing(self, value: Any) -> bool:
        """Whether a cell has no value: it is empty, or holds a word that says so."""
        if not isinstance(value, str):
            return is_missing(value)
        text = value.strip()
        return not text or text in self.missing_words

    def places(self, rows: Sequence[int]) -> str:
        """The first rows of these, by their lines if they have some, counted from 1."""
        numbers = [row + 1 if self.lines is None else self.lines[row] for row in rows[:_SHOWN]]
        unit = ("row" if self.lines is None else "line") + ("s" if len(rows) > 1 else "")
        more = ", ..." if len(rows) > _SHOWN else ""
        return f"{unit} {', '.join(map(str, numbers))}{more}"

    def subset(self, rows: Sequence[int]) -> Table:
        """The table of these rows."""
        columns = {name: [values[i] for i in rows] for name, values in self.columns.items()}
        lines = None if self.lines is None else tuple(self.lines[i] for i in rows)
        return replace(self, columns=columns, lines=lines)
