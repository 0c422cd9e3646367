"""Numbers as people write them: shares, counts, learning rates, durations and sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_MOST_DIGITS = 30
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgt])(i)?)?b?")
_PERCENT = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)) ?%")


def whole_percent(share: float) -> str:
    """A share in whole per cent, such as the progress of a run: ``33 %``."""
    return f"{share:.0%}".replace("%", " %")


def percent(share: float) -> str:
    """A share in per cent: one decimal, or two significant digits below one per cent."""
    if share == 1:
        return "100 %"
    return f"{100 * share:.2g} %" if share < 0.01 else f"{100 * share:.1f} %"


def fraction_of(given: Any) -> Any:
    """``0.5`` for the text ``50%`` or ``50 %``; everything else is returned as it is.

    Raises:
        ValueError: It is a number such as 85, which is likely to be a percentage.
    """
    match = _PERCENT.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is not None:
        # Rounded, so that 7 % is 0.07.
        return round(float(match[1]) / 100, 12)
    try:
        number = float(given)
    # A whole number with hundreds of digits is too large for a float.
    except (TypeError, ValueError, OverflowError):
        return given
    if 1 < number <= 100:
        raise ValueError(f"must be at most 1: write {number:g}% or {number / 100:g}")
    return given


def bytes_of(given: Any) -> Any:
    """Bytes for a text such as ``16GiB`` or ``800 MB``; what is no text is returned as it is.

    Raises:
        ValueError: The text is no size.
    """
    if not isinstance(given, str):
        return given
    match = _SIZE.fullmatch(given.strip().lower())
    if match is None:
        raise ValueError("write it like 16GiB or 800MiB")
    base = 1024 if match[3] else 1000
    if len(match[1]) > _MOST_DIGITS:
        raise ValueError(f"must have at most {_MOST_DIGITS} digits")
    return int(float(match[1]) * base ** " kmgt".index(match[2] or " "))


def counted(number: int, what: str) -> str:
    """A number of things, in the singular or with an s: ``1 row``, ``2,096 rows``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def learning_rate(rate: float) -> str:
    """A learning rate in the usual form: ``5e-5``, ``1.5e-4``."""
    mantissa, exponent = f"{rate:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def learning_rates(rates: Iterable[float]) -> str:
    """Such as ``learning rate 1e-4`` or ``learning rates 1e-4, 2e-4``."""
    texts = [learning_rate(rate) for rate in rates]
    return f"learning rate{'' if len(texts) == 1 else 's'} {', '.join(texts)}"


def duration(seconds: float) -> str:
    """Seconds as ``8.2 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if round(seconds) < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(n_bytes: float) -> str:
    """Bytes as ``1.4 GiB``, ``820 MiB``, ``12 KiB`` or ``300 bytes``."""
    if 0 <= n_bytes < 2**10:
        return f"{n_bytes:.0f} bytes"
    if n_bytes >= 2**30:
        return f"{n_bytes / 2**30:.1f} GiB"
    return f"{n_bytes / 2**10:.0f} KiB" if 0 <= n_bytes < 2**20 else f"{n_bytes / 2**20:.0f} MiB"
