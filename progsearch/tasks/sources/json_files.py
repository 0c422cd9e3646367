"""Parses JSON: one object per line, or an array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.table import Table

_SHOWN = 5


def parse_json(source: str, text: str) -> Table:
    """The table in JSON Lines, or in an array of objects.

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
    array = _array(source, text)
    if array is not None:
        records = [_checked(source, f"item {n}", i, may_break) for n, i in enumerate(array, 1)]
        return Table(source, _columns(source, records))
    lines, records = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            whole = _whole(text)
            if whole is not None:
                return _of_one(source, whole, may_break)
            raise TaskError(
                f"{source}, line {number} is not JSON: {error.msg}; a file must be an array of "
                "objects or have one object per line"
            ) from None
        records.append(_checked(source, f"line {number}", item, may_break))
        lines.append(number)
    if len(records) == 1:
        return _of_one(source, records[0], may_break)
    return Table(source, _columns(source, records), lines=tuple(lines))


def _whole(text: str) -> dict[str, Any] | None:
    """The object that a whole text is, written over several lines."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _of_one(source: str, record: dict[str, Any], may_break: bool) -> Table:
    """The table in a file of one object, which must be a row.

    Raises:
        TaskError: It holds rows.
    """
    lists = [
        name
        for name, value in record.items()
        if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)
    ]
    if (record and all(isinstance(value, dict) for value in record.values())) or lists:
        shown = ", ".join(map(repr, list(record)[:_SHOWN])) + ", ..." * (len(record) > _SHOWN)
        raise TaskError(
            f"{source} is one object with the keys {shown}, not rows: save the rows as an array "
            'of objects, one file for each split (pandas: to_json(..., orient="records"))'
        )
    record = _checked(source, "item 1", record, may_break)
    return Table(source, _columns(source, [record]), lines=(1,))


def _array(source: str, text: str) -> list[Any] | None:
    """The array that a text is; None if it is none.

    Raises:
        TaskError: It begins as one but is damaged.
    """
    if not text.lstrip().startswith("["):
        return None
    try:
        array: list[Any] = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # lists on lines
            return None
        raise TaskError(
            f"{source}, line {error.lineno} is not JSON: {error.msg}; correct the array there"
        ) from None
    return array


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


def _columns(source: str, records: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    flat = [dict(_flattened(source, record)) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    return {name: [record.get(name) for record in flat] for name in names}


def _flattened(source: str, record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        name = prefix + key.strip()
        if isinstance(value, dict):
            yield from _flattened(source, value, f"{name}.")
        else:
            yield name, value
