"""Parses JSON: one object per line, or an array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.table import Table


def parse_json(source: str, text: str) -> Table:
    """The table in JSON Lines, in an array of objects or in an object of columns.

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
    whole = _whole(text)
    if isinstance(whole, dict):
        return Table(source, _by_column(source, _checked(source, "line 1", whole, may_break)))
    if whole is not None:
        records = [_checked(source, f"item {n}", i, may_break) for n, i in enumerate(whole, 1)]
        return Table(source, _columns(records))
    lines, records = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            raise TaskError(
                f"{source}, line {number} is not JSON: {error.msg}; a file must be an array of "
                "objects or have one object per line"
            ) from None
        records.append(_checked(source, f"line {number}", item, may_break))
        lines.append(number)
    return Table(source, _columns(records), lines=tuple(lines))


def _whole(text: str) -> list[Any] | dict[str, Any] | None:
    """The text as one array or as one object of nothing but arrays or objects; else None."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return None
    if isinstance(found, list):
        return found
    is_table = isinstance(found, dict) and all(isinstance(v, (list, dict)) for v in found.values())
    return found if is_table and found else None


def _by_column(source: str, found: dict[str, Any]) -> dict[str, list[Any]]:
    """The columns of an object of columns: lists, or objects by row as pandas writes them."""
    columns = list(found.values())
    is_split = {"columns", "data"} <= found.keys()  # what pandas calls orient="split"
    if not is_split and all(
        isinstance(column, list) and len(column) == len(columns[0]) for column in columns
    ):
        return found
    if all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        return {name: [column[row] for row in columns[0]] for name, column in found.items()}
    raise TaskError(
        f"{source} is one object, not a table of rows: write an array of objects or one object "
        "per line (in pandas with orient='records')"
    )


def _checked(source: str, place: str, item: Any, may_break: bool) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise TaskError(f"{source}, {place} must be an object such as {{...}}")
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
