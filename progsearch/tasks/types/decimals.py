"""Decides whether a column of decimals holds numbers to predict, or names that look like numbers.

A column with decimals is read as numbers, except if

- there are at most 20 different labels, and all of them are whole (``1.0``: what pandas makes of
  integers if some are missing) or two of them are the same number (``2.1`` and ``2.10``);
- there are at most 5, each in 5 rows or more on average (``2.1``, ``2.2``, ``3.0``).

- the column is named as one of codes (``icd9_code``, ``version``).

Whole numbers without a decimal point are classes. ``--type`` overrides all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from progsearch.tasks.sources.cells import number
from progsearch.tasks.types.kinds import normalised

# If at least this share of the labels are numbers, the others are mistakes, not classes.
_MOSTLY = 0.9

_CODES = {"code", "codes", "icd", "cpt", "version", "section", "chapter"}

_SEVERAL = 20
_FEW = 5


def are_to_predict(values: Sequence[Any]) -> bool:
    """Whether labels are numbers to predict."""
    return are_decimals(values) and not _are_names(values)


def are_codes(column: str) -> bool:
    """Whether a column's name says that its numbers are names."""
    return normalised(column).rsplit("_", 1)[-1].rstrip("0123456789") in _CODES


def few_numbers(values: Sequence[Any]) -> int | None:
    """How many different numbers there are, if they are as few as names may be; else None."""
    found = len(set(map(number, values)))
    return found if found <= _SEVERAL else None


def are_decimals(values: Sequence[Any]) -> bool:
    """Whether most labels are numbers and some of them are written with decimals."""
    numbers = [value for value in values if number(value) is not None]
    decimals = any(
        isinstance(value, float) or (isinstance(value, str) and not _is_integer(value))
        for value in numbers
    )
    return decimals and len(numbers) >= _MOSTLY * len(values)


def number_meant(value: Any) -> str | None:
    """How to write the number in a label such as ``33%``, ``$5`` or ``0,5``; None for others."""
    meant = str(value).strip().strip("%$€£ ").replace(",", ".")
    return meant if number(value) is None and number(meant) is not None else None


def _are_names(values: Sequence[Any]) -> bool:
    spellings = {str(value).strip() for value in values}
    numbers = [number(spelling) for spelling in spellings]
    if len(spellings) > _SEVERAL or None in numbers:
        return False
    if all(found is not None and found.is_integer() for found in numbers):
        return True
    return len(set(numbers)) < len(numbers) or (
        len(spellings) <= _FEW and len(values) >= _FEW * len(spellings)
    )


def _is_integer(text: str) -> bool:
    return text.strip().lstrip("+-").isdecimal()
