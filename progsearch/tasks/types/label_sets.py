"""Reads labels of which a row may have several or none, in lists, dictionaries or 0/1 columns."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.class_names import BLANK, SEPARATORS, separator_in
from progsearch.tasks.types.labels import LabelReader, class_name

_YES = ("1", "1.0", "true", "yes")
_NO = ("0", "0.0", "false", "no")
# How numpy writes an array of whole numbers and one of texts.
_NUMPY = re.compile(r"\[\s*\d+\.?(\s+\d+\.?)+\s*\]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMPY_TEXTS = re.compile(rf"\[\s*({_QUOTED.pattern})(\s+({_QUOTED.pattern}))+\s*\]")
_SHOWN = 60


@dataclass(frozen=True)
class LabelSets(LabelReader):
    """Reads sets of labels, with the names found in the training rows.

    Attributes:
        length: The number of values of each list, if lists hold a 0 or 1 for every label; None if
            cells hold names.
        separator: What is between the labels of a text that is not written as a list.
    """

    length: int | None = None
    separator: str | None = None

    def read(self, table: Table) -> np.ndarray:
        """The labels of a table: 0 or 1 in float32, shape (rows, labels).

        Raises:
            TaskError: A cell is missing or is not such a list or dictionary, or it has a label
                that is not in the training rows.
        """
        places = {name: index for index, name in enumerate(self.names)}
        answers = np.zeros((len(table), len(self.names)), dtype=np.float32)
        for row, cell in enumerate(_cells(table, self.column, self.separator)):
            for name in _labels(table, self.column, row, cell, self.length):
                if name not in places:
                    known = ", ".join(self.names[:10]) + (", ..." if self.names[10:] else "")
                    raise TaskError(
                        f"{table.source}, {table.places([row])}: label {name!r} does not occur "
                        f"in the training data (which has {known}): correct it or remove the row"
                    )
                answers[row, places[name]] = 1
        return answers


def holds_sets(table: Table, column: str) -> bool:
    """Whether the cells of a column are lists or dictionaries, or most are written as such."""
    filled = [cell for cell in table.column(column) if not is_missing(cell)]
    if any(isinstance(cell, (list, dict)) for cell in filled):
        return True
    # Most texts show at their first character that they are none.
    return 2 * sum(map(_is_set, filled)) > len(filled)


def learn_sets(table: Table, column: str) -> LabelSets:
    """A reader of label sets, with the labels of the training rows.

    Raises:
        TaskError: A cell cannot be read, or there are fewer than two labels.
    """
    separator = None if holds_sets(table, column) else _separator_of(table, column)
    if separator is None and not any(map(_is_set, table.column(column))):
        raise TaskError(
            f"{table.source} has no lists of labels in column {column!r}, such as "
            '["price", "quality"]: write them, or give --type classification if each row has one '
            "label"
        )
    cells = _cells(table, column, separator)
    length = _vector_length(cells)
    names = table.classes.get(column)
    if names is None:
        found = {
            name: None
            for row, cell in enumerate(cells)
            for name in _labels(table, column, row, cell, length)
        }
        if length is not None:
            names = tuple(str(index) for index in range(length))
        elif cells and isinstance(cells[0], dict):
            # A label that no training row has is a label, too.
            names = tuple(dict.fromkeys(str(_name(key)) for cell in cells for key in cell))
        else:
            numeric = all(name.isdecimal() for name in found)
            names = tuple(sorted(found, key=int if numeric else None))
    if len(names) < 2:
        raise TaskError(
            f"{table.source} has fewer than two labels in column {column!r}: give data with at "
            "least two, or use --type classification for one label with two values"
        )
    return LabelSets(column, names, length=length, separator=separator)


def are_single(table: Table, column: str) -> bool:
    """Whether the cells of a column are lists of exactly one name each."""
    filled = [cell for cell in table.column(column) if not table.is_missing(cell)]
    return bool(filled) and all(_only_name(cell) is not None for cell in filled)


def without_lists(table: Table, column: str) -> Table:
    """The table with labels instead of lists of one label each.

    Raises:
        TaskError: A list has several labels or none.
    """
    names = []
    for row, cell in enumerate(table.column(column)):
        name = None if table.is_missing(cell) else _only_name(cell)
        if name is None and isinstance(parsed(cell), (list, dict)):
            raise TaskError(
                f"{table.source}, {table.places([row])} has not one label in column {column!r}, "
                "but each row of the training data has: give --type multilabel, or correct it"
            )
        names.append(cell if name is None else name)
    return replace(table, columns=table.columns | {column: names})


def _only_name(cell: Any) -> str | None:
    found = parsed(cell)
    return _name(found[0]) if isinstance(found, list) and len(found) == 1 else None


def _is_set(cell: Any) -> bool:
    return parsed(cell) is not None


def _separator_of(table: Table, column: str) -> str | None:
    """What is between labels that the user says to be several, such as ``price,quality``.

    Blanks are only if no label has one of the `SEPARATORS`.
    """
    cells = {
        cell
        for cell in table.column(column)
        if isinstance(cell, str) and not table.is_missing(cell) and parsed(cell) is None
    }
    between = [separator for separator in SEPARATORS if any(separator in cell for cell in cells)]
    if not between and any(len(cell.split()) > 1 for cell in cells):
        return BLANK
    return separator_in(cells) or (between[0] if len(between) == 1 else None)


def joined(table: Table, labels: Mapping[str, str], name: str, *, keys: bool) -> Table:
    """The table with one column of lists instead of several columns of 0 and 1.

    Args:
        table: The table.
        labels: The label of each column of 0 and 1, true and false, or yes and no.
        name: The name of the new column, which declares the labels as its classes.
        keys: Whether the columns are the keys of dictionaries, which may lack some.

    Raises:
        TaskError: There is no such column, or a cell is something else.
    """
    absent = [None] * len(table)
    cells = [
        table.columns.get(column, absent) if keys else table.column(column) for column in labels
    ]
    lists: list[list[str] | None] = []
    for row, values in enumerate(zip(*cells, strict=True)):
        if all(map(is_missing, values)):
            lists.append(None)
            continue
        flags = [False if keys and is_missing(value) else is_yes(value) for value in values]
        if None in flags:
            wrong = flags.index(None)
            raise TaskError(
                f"{table.source}, {table.places([row])}: {values[wrong]!r} in label column "
                f"{list(labels)[wrong]!r} must be 0 or 1, false or true, no or yes: correct it, "
                "or name one label column"
            )
        lists.append([label for label, flag in zip(labels.values(), flags, strict=True) if flag])
    rest = {key: value for key, value in table.columns.items() if key not in labels}
    classes = table.classes | {name: tuple(labels.values())}
    return replace(table, columns=rest | {name: lists}, classes=classes)


def _cells(table: Table, column: str, separator: str | None) -> list[Any]:
    """The lists and dictionaries of a column; those written as text are parsed.

    Args:
        table: The rows.
        column: The label column.
        separator: What is between labels that are not written as a list, if some are not.

    Raises:
        TaskError: A cell is missing or something else.
    """
    cells = []
    for row, value in enumerate(table.column(column)):
        if table.is_missing(value):
            raise TaskError(
                f"{table.source}, {table.places([row])} has no labels in column {column!r}: "
                "write [] for a row that has none of them, or remove the row"
            )
        cell = parsed(value)
        if cell is None and separator is not None and isinstance(value, str):
            parts = value.split() if separator == BLANK else value.split(separator)
            cell = [part.strip() for part in parts if part.strip()]
        if cell is None:
            raise _unreadable(table, column, row, value)
        cells.append(cell)
    if any(type(cell) is not type(cells[0]) for cell in cells):
        raise TaskError(
            f"{table.source} has lists and dictionaries in column {column!r}: use one of them"
        )
    return cells


def parsed(value: Any) -> list[Any] | dict[Any, Any] | None:
    """The list or dictionary in a cell, perhaps written as JSON or Python does; None if none."""
    if isinstance(value, (list, dict)):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if text[:1] not in ("[", "{", "("):
        return None
    if _NUMPY_TEXTS.fullmatch(text):
        # Python would join the texts.
        text = f"[{', '.join(_QUOTED.findall(text))}]"
    elif _NUMPY.fullmatch(text):
        text = f"[{', '.join(part.rstrip('.') for part in text[1:-1].split())}]"
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(found, (list, tuple, set)):
            return list(found)
        return found if isinstance(found, dict) else None
    return None


def _vector_length(cells: Sequence[Any]) -> int | None:
    """The length of lists that hold a 0 or 1 for every label; None if they hold names."""
    lengths = {len(cell) for cell in cells}
    if len(lengths) != 1 or lengths <= {0, 1} or not isinstance(cells[0], list):
        return None
    flags = all(isinstance(value, (bool, int, float)) for cell in cells for value in cell)
    if not flags or any(value not in (0, 1) for cell in cells for value in cell):
        return None
    return lengths.pop()


def _labels(table: Table, column: str, row: int, cell: Any, length: int | None) -> list[str]:
    """The labels in a cell.

    Raises:
        TaskError: It does not hold labels, or a list does not have ``length`` values.
    """
    if isinstance(cell, dict):
        flags = {_name(name): False if f is None else is_yes(f) for name, f in cell.items()}
    elif length is None:
        flags = dict.fromkeys(map(_name, cell), True)
    else:
        flags = {str(i): is_yes(value) for i, value in enumerate(cell)}
    if None in flags or None in flags.values() or (length or len(cell)) != len(cell):
        raise _unreadable(table, column, row, cell)
    return [name for name, flag in flags.items() if flag and name is not None]


def _name(value: Any) -> str | None:
    """The name of a label; None if the value cannot be one."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or is_missing(value):
        return None
    return class_name(value)


def is_yes(value: Any) -> bool | None:
    """Whether a cell says yes; None if it says neither yes nor no."""
    text = str(value).strip().lower()
    return True if text in _YES else False if text in _NO else None


def _unreadable(table: Table, column: str, row: int, value: Any) -> TaskError:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return TaskError(
        f"{table.source}, {table.places([row])}: {shown} in column {column!r} is not like the "
        'labels of the other rows: write a list of names, such as ["price", "quality"], a '
        "dictionary of names with 0 or 1, or lists with a 0 or 1 for every label"
    )
