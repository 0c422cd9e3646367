"""Interprets the cells of a table."""

from __future__ import annotations

import math
from typing import Any


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: no value, an empty or blank string, or NaN."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def number(value: Any) -> float | None:
    """The finite number in a cell; None if there is none."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None
