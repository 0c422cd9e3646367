"""Finds names of classes that are probably spellings of one class, several labels or no label."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence, Set

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import number
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.decimals import number_meant

SEPARATORS = (",", ";", "|", "/")
"""What may be between several labels in one text."""

BLANK = " "
"""Any blanks, if none of the `SEPARATORS` is between labels."""

_TAGS = re.compile(r"\s*(<[^<>]+>\s*){2,}|\s*(#\w+[\s,]*){2,}")


def check_names(table: Table, column: str, names: Set[str]) -> None:
    """Refuse names of classes that are probably not what they seem to be.

    Args:
        table: The training rows.
        column: The label column.
        names: Its classes.

    Raises:
        TaskError: Some differ in case alone, or are lists of the others.
    """
    by_spelling: dict[str, list[str]] = {}
    for name in sorted(names):
        by_spelling.setdefault(_spelling(name), []).append(name)
    alike = next((found for found in by_spelling.values() if len(found) > 1), None)
    if alike is not None:
        raise TaskError(
            f"{table.source} has labels in column {column!r} that differ in case, blanks or "
            f"invisible characters alone ({', '.join(map(_shown, alike))}): write them alike, or "
            "give --type classification if they are different classes"
        )
    tagged = next(filter(_TAGS.fullmatch, sorted(names)), None)
    if tagged is not None:
        separated = any(char in tagged.strip() for char in (*SEPARATORS, BLANK))
        cure = "give --type multilabel" if separated else 'write lists, such as ["price", "size"]'
        raise TaskError(
            f"{table.source} has labels in column {column!r} that are several tags ({tagged!r}): "
            f"{cure}, or give --type classification if they are names of classes"
        )
    are_numbers = all(number(name) is not None or number_meant(name) for name in names)
    decimal_commas = are_numbers and all("," in name for name in names)
    separator = None if decimal_commas else separator_in(names)
    if separator is not None:
        example = min(name for name in names if separator in name)
        decimals = "write decimals with points, " if are_numbers else ""
        raise TaskError(
            f"{table.source} has labels in column {column!r} that are several labels with "
            f"{separator!r} between them ({example!r}): {decimals}give --type multilabel, or "
            "--type classification if they are names of classes"
        )
    spaced = _several_words(names)
    if spaced is not None:
        raise TaskError(
            f"{table.source} has labels in column {column!r} that are several labels with blanks "
            f"between them ({spaced!r}): give --type multilabel, or --type classification if they "
            "are names of classes"
        )


def _several_words(names: Set[str]) -> str | None:
    """A name such as ``price quality``, if most names of several words consist of other names.

    Names of classes have words in common, too (``very good`` and ``very bad``), so a common word
    is not enough.
    """
    several = [name for name in sorted(names) if len(name.split()) > 1]
    lists = [name for name in several if names >= set(name.split())]
    return lists[0] if lists and 2 * len(lists) > len(several) else None


def note_on_words(table: Table, column: str, names: Collection[str]) -> str | None:
    """A sentence if names of classes may be labels with blanks between them; None if not.

    They may be if one set of words occurs in two orders, or if fewer words than names make all
    names, and each word of a name of several occurs in others, too.
    """
    words = [tuple(name.split()) for name in names]
    several = [found for found in words if len(found) > 1]
    counts = Counter(word for found in words for word in set(found))
    turned = len({tuple(sorted(found)) for found in several}) < len(several)
    common = len(counts) < len(words) and all(counts[w] > 1 for found in several for w in found)
    if not several or not (turned or common):
        return None
    example = " ".join(min(several))
    return (
        f"{table.source}: labels such as {example!r} in column {column} are read as one class "
        "each; --type multilabel reads several labels with blanks between them"
    )


def _spelling(name: str) -> str:
    seen = (c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    return " ".join("".join(seen).casefold().split())


def _shown(name: str) -> str:
    return repr(name) if unicodedata.is_normalized("NFC", name) else ascii(name)


def separator_in(names: Collection[str]) -> str | None:
    """The character between labels in names such as ``price,quality``; None if there is none.

    It is one if, for most names that have it, all parts also occur in other names.
    """
    for separator in SEPARATORS:
        parts = {
            name: tuple(part.strip() for part in name.split(separator))
            for name in names
            if separator in name
        }
        counts = Counter(part for name in names for part in set(parts.get(name, (name,))))
        lists = [found for found in parts.values() if all(counts[part] > 1 for part in found)]
        if lists and 2 * len(lists) > len(parts):
            return separator
    return None


def note_on_unlabelled(table: Table, column: str, names: Sequence[str]) -> str | None:
    """A sentence on the name that marks rows without a label in some files; None if none does."""
    # With 0 and 1 alone, -1 is a class: a negative sentiment.
    marks = ["-", "--", "?", *(["-1"] if {"0", "1", "2"} <= set(names) else [])]
    found = next((mark for mark in marks if mark in names and len(names) > 2), None)
    if found is None:
        return None
    count = sum(str(value).strip() == found for value in table.columns[column])
    return (
        f"{table.source}: label {found!r} is read as a class, but marks rows without a label in "
        f"some files: if it does here, remove these {count} rows"
    )
