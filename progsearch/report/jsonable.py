"""Data that JSON can represent."""

from __future__ import annotations

import math
from typing import Any


def finite(data: Any) -> Any:
    """``data`` with None for every number that JSON cannot represent."""
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
