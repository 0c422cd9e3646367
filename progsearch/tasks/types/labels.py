"""Reads the labels of the user's data, as classes or as numbers."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing, number
from progsearch.tasks.sources.tables import Table
from progsearch.tasks.types.class_names import check_names
from progsearch.tasks.types.decimals import are_codes, are_to_predict, number_meant

# More classes than names that look like numbers usually have.
_MANY = 10

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelReader:
    """Reads labels, with the classes found in the training rows.

    Attributes:
        column: The label column.
        names: The classes, in the order that the data declares, else sorted by number or by
            alphabet; empty for regression.
        whole: Whether all classes are whole numbers, so that ``1.0`` is the class ``1``.
    """

    column: str
    names: tuple[str, ...]
    whole: bool = False

    def read(self, table: Table) -> np.ndarray:
        """The labels of a table: int64 class indices, or float32 for regression.

        Raises:
            TaskError: A label is missing, is not a number (regression), or is a class that is not
                in the training rows.
        """
        values = _filled(table, self.column)
        if not self.names:
            return np.array([self._number(table, i, v) for i, v in enumerate(values, 1)], "f4")
        indices = {name: index for index, name in enumerate(self.names)}
        name_of = _whole_name if self.whole else class_name
        labels = [indices.get(name_of(value)) for value in values]
        if None in labels:
            row = labels.index(None)
            known = ", ".join(self.names[:10]) + (", ..." if len(self.names) > 10 else "")
            raise TaskError(
                f"{table.source}, row {row + 1}: label {class_name(values[row])!r} does not "
                f"occur in the training data (which has {known}): correct it or remove the row"
            )
        return np.array(labels, dtype=np.int64)

    def _number(self, table: Table, row: int, value: Any) -> float:
        result = number(value)
        if result is None:
            _check_spelling(table, self.column, table.column(self.column))
            raise TaskError(
                f"{table.source}, row {row}: label {value!r} in column {self.column!r} is not a "
                "number: correct it, or read labels as classes with --type classification"
            )
        return result


def holds_numbers(
    table: Table, column: str, metric: str | None, number_metrics: Collection[str]
) -> bool:
    """Whether a column's labels are numbers to predict: decimals, or the metric is for numbers.

    Args:
        table: The training rows.
        column: The label column.
        metric: The task metric that the user asked for, if any.
        number_metrics: The task metrics for numbers.

    Raises:
        TaskError: There is no such column.
    """
    values = [value for value in table.column(column) if not table.is_missing(value)]
    if metric is not None:
        return metric in number_metrics
    return are_to_predict(values) and not are_codes(column)


def learn_numbers(table: Table, column: str) -> LabelReader:
    """A reader of numeric labels.

    Raises:
        TaskError: A label is missing or is not a number, or all are the same.
    """
    numbers = LabelReader(column, ()).read(table)
    if len(numbers) > 1 and not np.ptp(numbers):
        raise TaskError(
            f"{table.source} has only the number {numbers[0]:g} in column {column!r}: give data "
            "with different numbers, or name another column with --label-column"
        )
    _logger.info(
        "%s: column %s holds numbers, so this is a regression; --type classification "
        "reads them as classes",
        table.source,
        column,
    )
    return LabelReader(column, ())


def learn_classes(table: Table, column: str, *, check: bool = False) -> LabelReader:
    """A reader of class labels, with the classes of the training rows.

    Args:
        table: The training rows.
        column: The label column.
        check: Whether names are refused that are probably no names of classes.

    Raises:
        TaskError: A label is missing, or the column cannot hold classes.
    """
    values = _filled(table, column)
    if any(isinstance(value, (list, dict)) for value in values):
        raise TaskError(
            f"{table.source} has lists or dictionaries in column {column!r}, so a row may have "
            "several labels: use --type multilabel"
        )
    names = {class_name(value) for value in values}
    if len(names) < 2:
        raise TaskError(
            f"{table.source} has only the class {min(names)!r} in column {column!r}: give data "
            "with at least two classes, or name another column with --label-column"
        )
    if column in table.classes:
        return LabelReader(column, table.classes[column])
    if check:
        check_names(table, column, names)
        if len(names) > _MANY and all(number(n) is not None or number_meant(n) for n in names):
            _check_spelling(table, column, values)
    if len(names) > max(10, len(values) / 2):
        _check_spelling(table, column, values)
        raise TaskError(
            f"{table.source} has {len(names)} different labels in {len(values)} rows of column "
            f"{column!r}, too many for classes: name another column with --label-column, or ask "
            "for a regression with --type regression"
        )
    numbers = [number(name) for name in names]
    if None in numbers:
        return LabelReader(column, tuple(sorted(names)))
    whole = all(found is not None and found.is_integer() for found in numbers)
    if whole:
        names = set(map(_whole_name, names))
    return LabelReader(column, tuple(sorted(names, key=_by_number)), whole)


def _check_spelling(table: Table, column: str, values: Sequence[Any]) -> None:
    """Refuse labels that would be numbers if they were written as such."""
    for row, value in enumerate(values):
        meant = number_meant(value)
        if meant is not None:
            raise TaskError(
                f"{table.source}, {table.places([row])}: label {value!r} in column {column!r} is "
                f"not a number: write {meant}, and the others like it"
            )


def _filled(table: Table, column: str) -> list[Any]:
    values = table.column(column)
    for row, value in enumerate(values, 1):
        if is_missing(value) or (isinstance(value, str) and value.strip().lower() == "nan"):
            raise TaskError(
                f"{table.source}, row {row} has no label in column {column!r}: add it or remove "
                "the row"
            )
        if isinstance(value, bytes):
            raise TaskError(
                f"{table.source}, row {row} is not UTF-8 in column {column!r}: correct it or "
                "remove the row"
            )
    return values


def _by_number(name: str) -> tuple[float, str]:
    return float(name), name


def _whole_name(value: Any) -> str:
    return re.sub(r"(?<=\d)\.0*$", "", class_name(value))


def class_name(value: Any) -> str:
    """The name of the class that a cell holds."""
    # A whole number is the same class whether the file has 1 or 1.0.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
