"""Interprets the cells of a table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

MISSING_WORDS = frozenset(
    ("NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "Null", "None")
)
"""What programs write into a file for a value that is missing, beside an empty cell.

``none`` and ``na`` are not among them: people use them as names of classes.
"""

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_WITH_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]+)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


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
    """The finite number in a cell; None if there is none.

    Python also reads ``1_1`` as a number; in a file that is a name.
    """
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    try:
        result = float(value)
    # Of a whole number with hundreds of digits.
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def has_decimal_commas(values: Sequence[str]) -> bool:
    """Whether the filled cells of a column are numbers, some of them with decimal commas."""
    filled = [value.strip() for value in values if value.strip()]
    # Most columns show at their first value that they hold no such numbers.
    return any("," in value for value in filled) and all(
        _DECIMAL_COMMA.fullmatch(value)
        or _WHOLE.fullmatch(value)
        or _WITH_THOUSANDS.fullmatch(value)
        for value in filled
    )
