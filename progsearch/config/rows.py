"""How much one row of the data that a metric is measured on is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Metrics that are the share of rows that are right.
_COUNTING = ("accuracy", "subset_accuracy")


@dataclass(frozen=True)
class Rows:
    """The data that the task's metric is measured on.

    Attributes:
        split: Its name.
        rows: The number of its rows, at least 1.
        worth: What one row changes of the metric; None unless the metric counts right answers.
    """

    split: str
    rows: int
    worth: float | None

    @classmethod
    def of(cls, split: str, rows: int, metric: str) -> Rows:
        """The rows of a split, and what one is worth of a metric."""
        return cls(split, rows, 1 / rows if metric in _COUNTING else None)

    @property
    def one(self) -> str:
        """What one row is, such as ``is worth 0.25 points`` or ``is 0.25 % of them``."""
        share = 100 / self.rows
        number = f"{share:.2g}" if share < 0.1 else f"{share:.2f}"
        return f"is {number} % of them" if self.worth is None else f"is worth {number} points"

    def __str__(self) -> str:
        """Such as ``408 validation rows, one is worth 0.25 points``."""
        return f"{self.rows:,} {self.split} rows, one {self.one}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {"split": self.split, "rows": self.rows, "one_is_worth": self.worth}
