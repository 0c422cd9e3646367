"""Parses JSON: one object per line, or an array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.squad_json import articles_in, rows_in, squad_table
from progsearch.tasks.sources.table import Table

_SHOWN = 5


def parse_json(source: str, text: str) -> Table:
    """The table in JSON Lines, in an array of objects, in an object of columns or as in SQuAD.

    Objects in objects become columns with dotted names: ``{"review": {"text": ...}}`` becomes
    ``review.text``. Lists stay lists.

    Args:
        source: The file, for error messages.
        text: Its text.

    Raises:
        TaskError: It is neither; the message names the line or the item.
    """
    # Most files hold no such escape, and checking each object takes as long as reading it.
    may_break = "\\ud" in text.lower()
    whole = _whole(source, text)
    articles = articles_in(whole)
    if articles is not None:
        return squad_table(source, articles)
    whole = rows_in(whole) or whole
    if isinstance(whole, dict):
        columns = _by_column(source, _checked(source, "line 1", whole, may_break))
        return Table(source, columns)
    if whole is not None:
        records = [_checked(source, f"item {n}", i, may_break) for n, i in enumerate(whole, 1)]
        return Table(source, _columns(records))
    lines, records = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = _parsed(line, f"{source}, line {number}")
        except json.JSONDecodeError as error:
            raise TaskError(
                f"{source}, line {number} is not JSON: {error.msg}; a file must be an array of "
                "objects or have one object per line"
            ) from None
        records.append(_checked(source, f"line {number}", item, may_break))
        lines.append(number)
    return Table(source, _columns(records), lines=tuple(lines))


def _parsed(text: str, place: str) -> Any:
    """The value of a JSON text.

    Raises:
        TaskError: It has more levels or digits than Python reads.
        json.JSONDecodeError: It is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise TaskError(f"{place} is nested too deeply: correct its brackets") from None
    except ValueError as error:
        raise TaskError(f"{place} has a number that cannot be read: {error}") from None


def _whole(source: str, text: str) -> list[Any] | dict[str, Any] | None:
    """The text as one array or as one object of rows or columns; else None.

    Raises:
        TaskError: It begins as an array but is damaged.
    """
    try:
        found = _parsed(text, source)
    except json.JSONDecodeError as error:
        if not text.lstrip().startswith("[") or error.msg == "Extra data":
            return None
        raise TaskError(
            f"{source}, line {error.lineno} is not JSON: {error.msg}; correct the array there"
        ) from None
    if isinstance(found, list):
        return found
    if not isinstance(found, dict) or not found:
        return None
    is_table = all(isinstance(value, (list, dict)) for value in found.values())
    return found if is_table or any(map(_holds_rows, found.values())) else None


def _holds_rows(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _by_column(source: str, found: dict[str, Any]) -> dict[str, list[Any]]:
    """The columns of an object of columns or rows, as pandas writes them with their names."""
    columns = list(found.values())
    # What pandas calls orient="split", and splits or other lists of rows.
    is_other = {"columns", "data"} <= found.keys() or any(map(_holds_rows, columns))
    all_nested = all(isinstance(column, list) and column for column in columns) and all(
        isinstance(item, list) for column in columns for item in column
    )
    if not (is_other or all_nested) and all(
        isinstance(column, list) and len(column) == len(columns[0]) for column in columns
    ):
        return found
    if not is_other and all(
        isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns
    ):
        if len(found) > len(columns[0]):  # rows by their names: a table has more rows than columns
            return _columns(columns)
        return {name: [column[row] for row in columns[0]] for name, column in found.items()}
    shown = ", ".join(map(repr, list(found)[:_SHOWN])) + ", ..." * (len(found) > _SHOWN)
    raise TaskError(
        f"{source} is one object with the keys {shown}, not a table of rows: write an array of "
        "objects or one object per line, one file for each split (in pandas with "
        "orient='records')"
    )


def _checked(source: str, place: str, item: Any, may_break: bool) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise TaskError(
            f'{source}, {place} must be an object, such as {{"text": ..., "label": ...}}'
        )
    if may_break and not _is_unicode(item):
        raise TaskError(
            f"{source}, {place} holds half a character (an escape from \\ud800 to \\udfff without "
            "the other half): correct it or remove it"
        )
    return item


def _is_unicode(record: dict[str, Any]) -> bool:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _columns(records: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    flat = [dict(_flattened(record)) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    return {name: [record.get(name) for record in flat] for name in names}


def _flattened(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        name = prefix + key.strip()
        if isinstance(value, dict):
            yield from _flattened(value, f"{name}.")
        else:
            yield name, value
