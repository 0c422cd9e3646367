"""Reads data files as tables: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os.path import isdir, isfile
from pathlib import Path
from typing import Any, Literal

from progsearch.errors import TaskError
from progsearch.paths import reason_of
from progsearch.tasks.sources.cells import as_text, decoded

# csv.QUOTE_MINIMAL and csv.QUOTE_NONE
_Quoting = Literal[0, 3]


@dataclass(frozen=True)
class Table:
    """The rows of one file or split.

    Attributes:
        source: The file or split, for error messages.
        columns: Values by column name, in the file's order; all have the same length. Text files
            give strings; other files give their own types.
        classes: The names of all classes in order, for the columns that declare them.
    """

    source: str
    columns: dict[str, list[Any]]
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)

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


def read_table(path: str | Path) -> Table:
    """Read a data file; its extension determines the format.

    Raises:
        TaskError: The file is missing, empty or damaged, or its format is not known.
    """
    path = Path(path)
    with _readable(path), suppress(FileNotFoundError, NotADirectoryError):
        path.stat()
    if isdir(path):
        raise TaskError(f"{path} is a directory: name a file in it")
    if not isfile(path):
        raise TaskError(f"there is no file {path}: correct the path")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TaskError(
            f"{path} has an unknown extension: convert it to one of {', '.join(_READERS)} and "
            "rename it"
        )
    with _readable(path):
        table = reader(path)
    if not len(table):
        raise TaskError(f"{path} has no rows: give a file with examples")
    return table


def read_glue_tsv(path: Path, header: Sequence[str] = ()) -> Table:
    """Read a file of the GLUE distribution.

    As in the official reader, quotes are plain characters and incomplete rows are left out (QQP
    has three).

    Args:
        path: The file.
        header: Column names, if the file has none.

    Raises:
        TaskError: The file is missing, empty or not UTF-8.
    """
    if not isfile(path):
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
    except UnicodeDecodeError:
        line = _first_that_is_not_utf8(path)
        raise TaskError(f"{path}, line {line} is not UTF-8: convert the file to UTF-8") from None
    except OSError as error:
        raise TaskError(
            f"{path} cannot be read ({reason_of(error)}): correct the path, or make the file "
            "readable for this user"
        ) from None
    except csv.Error as error:
        raise TaskError(f"{path} cannot be read as a table: {error}") from None


def _first_that_is_not_utf8(path: Path) -> int:
    with path.open("rb") as lines:
        return next(n for n, line in enumerate(lines, 1) if isinstance(as_text(line), bytes))


def _delimited(path: Path, delimiter: str, quoting: _Quoting) -> Iterator[list[str]]:
    csv.field_size_limit(sys.maxsize)  # the default refuses texts of more than 131,072 characters
    # utf-8-sig: files of spreadsheet programs and of GLUE may start with a byte-order mark.
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
    """The number of the first row (1-based) that does not fit the header."""
    return next((i for i, row in enumerate(rows, 1) if len(row) != len(names)), None)


def _read_csv(path: Path) -> Table:
    return _checked(path, *_header_and_rows(path, ",", csv.QUOTE_MINIMAL))


def _read_tsv(path: Path) -> Table:
    # Tab-separated files usually have no quoting (GLUE's contain lone quotes). Those written by
    # pandas do: without quoting, their rows do not fit the header.
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
            f"{path}, row {row} (not counting the header) has {len(rows[row - 1])} fields, but "
            f"the header has {len(names)}: quote texts that contain the separator"
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
            if "\\ud" in line.lower() and not _is_unicode(record):
                raise TaskError(
                    f"{path}, line {number} holds half a character (an escape from \\ud800 to "
                    "\\udfff without the other half): correct it or remove the line"
                )
            records.append(record)
    names = list(dict.fromkeys(name for record in records for name in record))
    return Table(str(path), {name: [r.get(name) for r in records] for name in names})


def _is_unicode(record: dict[str, Any]) -> bool:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except pa.ArrowInvalid as error:
        raise TaskError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from None
    cells = map(_cells, table.columns)
    return Table(str(path), dict(zip(table.column_names, cells, strict=True)))


def _cells(column: Any) -> list[Any]:
    """The cells of an Arrow column; text that is not UTF-8 is returned as bytes."""
    import pyarrow as pa

    try:
        cells = column.to_pylist()
    except UnicodeDecodeError:
        # Arrow does not check whether a column declared as text is UTF-8.
        cells = column.cast(pa.large_binary()).to_pylist()
    return decoded(cells)


_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".parquet": _read_parquet,
}
