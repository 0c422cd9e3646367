"""Data files as tables: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from progsearch.errors import TaskError
from progsearch.paths import is_file, is_folder

# csv.QUOTE_MINIMAL and csv.QUOTE_NONE
_Quoting = Literal[0, 3]


@dataclass(frozen=True)
class Table:
    """The rows of one file or split.

    Attributes:
        source: Where it came from, for error messages.
        columns: Values by column name, in the file's order; all of the same length. Text files
            give strings, the others what they hold.
        classes: The names of all classes in their order, for the columns that declare them.
    """

    source: str
    columns: dict[str, list[Any]]
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def column(self, name: str) -> list[Any]:
        """The values of a column.

        Raises:
            TaskError: There is no such column; the message names those there are.
        """
        if name not in self.columns:
            raise TaskError(
                f"{self.source} has no column {name!r}: its columns are {', '.join(self.columns)}"
            )
        return self.columns[name]


def read_table(path: str | Path) -> Table:
    """Read a data file; its extension says what it is.

    Raises:
        TaskError: The file is missing, empty, damaged or of an unknown kind.
    """
    path = Path(path)
    with _readable(path), suppress(FileNotFoundError, NotADirectoryError):
        path.stat()
    if is_folder(path):
        raise TaskError(f"{path} is a directory: name a file in it")
    if not is_file(path):
        raise TaskError(f"there is no file {path}: correct the path")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TaskError(
            f"{path} is of no known kind: convert it to one of {', '.join(_READERS)} "
            "and name it so"
        )
    with _readable(path):
        table = reader(path)
    if not len(table):
        raise TaskError(f"{path} has no rows: give a file with examples")
    return table


def read_glue_tsv(path: Path, header: Sequence[str] = ()) -> Table:
    """Read a file of the GLUE distribution.

    As in the official reader, quotes are plain characters and rows that are cut short are left
    out (QQP has three).

    Args:
        path: The file.
        header: Column names, where the file has none.

    Raises:
        TaskError: The file is missing, empty or not UTF-8.
    """
    if not is_file(path):
        raise TaskError(f"there is no file {path}: correct --data-dir")
    with _readable(path):
        rows = _delimited(path, "\t", csv.QUOTE_NONE)
        names = list(header) or next(rows, [])
        table = _by_column(path, names, [row for row in rows if len(row) >= len(names)])
    if not len(table):
        raise TaskError(f"{path} has no rows: give the file of the GLUE distribution")
    return table


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is not UTF-8 (byte {error.start}): convert it to UTF-8") from None
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error.strerror or error}") from None
    except csv.Error as error:
        raise TaskError(f"{path} cannot be read as a table: {error}") from None


def _delimited(path: Path, delimiter: str, quoting: _Quoting) -> Iterator[list[str]]:
    csv.field_size_limit(sys.maxsize)  # the standard limit refuses texts past 131,072 characters
    # utf-8-sig: spreadsheet programs and some GLUE files start with a byte-order mark.
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
        yield from (row for row in reader if row)


def _by_column(path: Path, names: list[str], rows: list[list[str]]) -> Table:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise TaskError(
            f"{path} has two columns named {min(twice)!r}: the first line must name each column "
            "once"
        )
    return Table(str(path), {name: [row[i] for row in rows] for i, name in enumerate(names)})


def _ragged(names: list[str], rows: list[list[str]]) -> int | None:
    """The number of the first row, from 1, that does not fit the header."""
    return next((i for i, row in enumerate(rows, 1) if len(row) != len(names)), None)


def _read_csv(path: Path) -> Table:
    return _checked(path, *_header_and_rows(path, ",", csv.QUOTE_MINIMAL))


def _read_tsv(path: Path) -> Table:
    # Tab-separated files have no quoting (GLUE's hold single quotes); those that pandas wrote do,
    # and show it by rows that do not fit without.
    names, rows = _header_and_rows(path, "\t", csv.QUOTE_NONE)
    if _ragged(names, rows):
        names, rows = _header_and_rows(path, "\t", csv.QUOTE_MINIMAL)
    return _checked(path, names, rows)


def _header_and_rows(
    path: Path, delimiter: str, quoting: _Quoting
) -> tuple[list[str], list[list[str]]]:
    rows = list(_delimited(path, delimiter, quoting))
    return (rows[0], rows[1:]) if rows else ([], [])


def _checked(path: Path, names: list[str], rows: list[list[str]]) -> Table:
    row = _ragged(names, rows)
    if row:
        raise TaskError(
            f"{path}, row {row} (header not counted) has {len(rows[row - 1])} fields where the "
            f"header has {len(names)}: quote texts that hold the separator"
        )
    return _by_column(path, names, rows)


def _read_json_lines(path: Path) -> Table:
    records = []
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise TaskError(f"{path}, line {number} is not JSON: {error.msg}") from None
            if not isinstance(record, dict):
                raise TaskError(f"{path}, line {number} must be an object such as {{...}}")
            records.append(record)
    names = list(dict.fromkeys(name for record in records for name in record))
    return Table(str(path), {name: [r.get(name) for r in records] for name in names})


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return Table(str(path), parquet.read_table(path).to_pydict())
    except pa.ArrowInvalid as error:
        raise TaskError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from None


_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".parquet": _read_parquet,
}
