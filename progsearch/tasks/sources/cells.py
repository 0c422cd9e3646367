"""What a cell of a table holds."""

from __future__ import annotations

import math
from typing import Any


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: no value, an empty or blank string, or NaN."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def decoded(values: list[Any]) -> list[Any]:
    """The cells of a column, as text if it holds bytes that are UTF-8.

    Some programs write text as bytes. A column that is no text, such as one of images, stays.
    """
    texts = [as_text(value) if isinstance(value, bytes) else value for value in values]
    return values if any(isinstance(text, bytes) for text in texts) else texts


def as_text(value: bytes) -> str | bytes:
    """The text that the bytes are in UTF-8; if they are none, the bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def number(value: Any) -> float | None:
    """The finite number that a cell holds, if it does."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None
