"""The result of reading a data source: tables, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field

from progsearch.tasks.sources.cells import is_missing
from progsearch.tasks.sources.tables import Table


@dataclass(frozen=True)
class Source:
    """The data of a task as tables.

    Attributes:
        name: The task's name.
        train: The training rows.
        validation: The validation rows; if None, some training rows must be held out.
        test: The test rows, if there are any.
        extra_validation: Further validation sets by name.
        general: Text outside of the task, if there is some.
        type: The task type, if it is known.
        text_columns: The text columns, if they are known.
        label_column: The label column, if it is known.
        metrics: The official task metrics, the primary one first, if there are any.
        is_official: Whether the rows belong to a benchmark and are used as they are.
        may_lack_labels: Whether the test rows may have no labels, as in test sets of the hub.
    """

    name: str
    train: Table
    validation: Table | None = None
    test: Table | None = None
    extra_validation: dict[str, Table] = field(default_factory=dict)
    general: Table | None = None
    type: str | None = None
    text_columns: tuple[str, ...] | None = None
    label_column: str | None = None
    metrics: tuple[str, ...] | None = None
    is_official: bool = False
    may_lack_labels: bool = False

    def labelled_test(self, column: str) -> Table | None:
        """The test rows; None if they have no labels in ``column``."""
        if self.test is not None and self.may_lack_labels:
            answers = self.test.columns.get(column, [])
            if all(map(is_missing, answers)):
                return None
        return self.test
