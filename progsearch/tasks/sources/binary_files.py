"""Reads Parquet files and Excel sheets, whose cells have types."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from progsearch.errors import TaskError
from progsearch.extras import install_line
from progsearch.tasks.sources.cells import decoded
from progsearch.tasks.sources.delimited import named_columns
from progsearch.tasks.sources.table import Table


def read_parquet(path: Path, raw: bytes) -> Table:
    """The table in a Parquet file; fields of structures become columns with dotted names.

    Raises:
        TaskError: It is not a Parquet file.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(pa.BufferReader(raw))
    # Of damaged pages and metadata Arrow also says that they cannot be read, as of a bad disk.
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TaskError(f"{path} is not a Parquet file: {reason}; write it again") from None
    classes = _classes_in_lists(table.schema.metadata or {})
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    cells = dict(zip(table.column_names, map(_cells, table.columns), strict=True))
    classes = {name: names for name, names in classes.items() if name in cells}
    for name, names in classes.items():
        cells[name] = [row and [_named(index, names) for index in row] for row in cells[name]]
    return Table(str(path), cells, classes)


def _classes_in_lists(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """The names of the classes whose indices are in lists, as the library ``datasets`` writes.

    Without them the tags of words would be numbers.
    """
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            name: tuple(feature["feature"]["names"])
            for name, feature in features.items()
            if feature.get("feature", {}).get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _named(index: Any, names: tuple[str, ...]) -> Any:
    """The name of a class; anything that is not the index of one is returned as it is."""
    is_index = isinstance(index, int) and 0 <= index < len(names)
    return names[index] if is_index else None if index == -1 else index


def _cells(column: Any) -> list[Any]:
    """The cells of an Arrow column; text that is not UTF-8 is returned as bytes."""
    import pyarrow as pa

    try:
        cells = column.to_pylist()
    except UnicodeDecodeError:
        # Arrow does not check whether a column declared as text is UTF-8.
        cells = column.cast(pa.large_binary()).to_pylist()
    return decoded(cells)


def read_excel(path: Path, raw: bytes, sheet: str | None = None) -> Table:
    """The table in a sheet of an Excel file; its first row names the columns.

    Args:
        path: The file.
        raw: Its content.
        sheet: The name of the sheet; None for the only filled one.

    Raises:
        TaskError: The library is not installed, the file is no Excel file, there is no such
            sheet, or it is not clear which one is meant.
    """
    try:
        import openpyxl
    except ImportError:
        raise TaskError(
            f"reading {path} needs the library openpyxl: run {install_line('excel')}, or save the "
            "sheet as CSV UTF-8"
        ) from None
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        sheets = {found.title: _rows(found) for found in book.worksheets}
    # A damaged file raises errors of zipfile, of XML parsers and of the library itself.
    except Exception as error:
        raise TaskError(
            f"{path} is not an Excel file that can be read ({error}): save it again as .xlsx, or "
            "as CSV UTF-8"
        ) from None
    rows = _of_sheet(path, sheets, sheet)
    if not rows:
        return Table(str(path), {})
    width = max(len(row) for row in rows)
    padded = [[*row, *[None] * (width - len(row))] for row in rows]
    header = ["" if name is None else str(name) for name in padded[0]]
    cells = [list(column) for column in zip(*padded[1:], strict=True)] or [[] for _ in header]
    return Table(str(path), named_columns(str(path), header, cells), has_header=True)


def _of_sheet(path: Path, sheets: dict[str, list[list[Any]]], name: str | None) -> list[list[Any]]:
    """The rows of the sheet that is meant."""
    filled = {title: rows for title, rows in sheets.items() if rows}
    if name is not None:
        if name not in sheets:
            raise TaskError(
                f"{path} has no sheet {name!r}, only {', '.join(sheets)}: correct --sheet"
            )
        return sheets[name]
    if len(filled) > 1:
        raise TaskError(
            f"{path} has several sheets ({', '.join(filled)}): name the one with the data with "
            "--sheet"
        )
    (rows,) = filled.values() or ([],)
    return rows


def _rows(sheet: Any) -> list[list[Any]]:
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    return [row for row in rows if any(cell is not None for cell in row)]
