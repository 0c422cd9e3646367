"""Interprets the cells of a table."""

from __future__ import annotations

import math
from typing import Any


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: no value, an empty or blank string, or NaN."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def decoded(values: list[Any]) -> list[Any]:
    """The cells of a column with UTF-8 bytes decoded, since some programs write text as bytes."""
    return [as_text(value) if isinstance(value, bytes) else value for value in values]


def as_text(value: bytes) -> str | bytes:
    """The bytes decoded as UTF-8; unchanged if they are not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def number(value: Any) -> float | None:
    """The finite number in a cell; None if there is none."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None
