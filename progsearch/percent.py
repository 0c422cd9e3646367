"""Shares in per cent: one way to write them, and how they are read."""

from __future__ import annotations

import re
from typing import Any

_PERCENT = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)) ?%")


def whole_percent(share: float) -> str:
    """A share in whole per cent, such as the progress of a run: ``33 %``."""
    return f"{share:.0%}".replace("%", " %")


def fraction_of(given: Any) -> Any:
    """``0.5`` for the text ``50%`` or ``50 %``; everything else is returned as it is."""
    match = _PERCENT.fullmatch(given.strip()) if isinstance(given, str) else None
    # Rounded, so that 7 % is 0.07.
    return given if match is None else round(float(match[1]) / 100, 12)
