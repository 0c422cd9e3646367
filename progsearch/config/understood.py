"""The summary of a task's data that a study stores."""

from __future__ import annotations

from pydantic import Field

from progsearch.config.base import Config
from progsearch.numerals import counted, percent

_CLASSES_SHOWN = 10


class Answers(Config):
    """The targets of a split.

    Attributes:
        classes: The number of rows or tokens of each class; None if targets are not classes.
        span: The minimum and the maximum; None if targets are not numbers.
        positive: The class whose score ``f1`` is; None unless there are two classes.
        labelled: The number of rows with at least one class, if rows may have several or none;
            None if each has one.
    """

    classes: dict[str, int] | None = None
    span: tuple[float, float] | None = None
    positive: str | None = None
    labelled: int | None = None

    def in_words(self, rows: int) -> str:
        """A description; empty if the task type gives none.

        Args:
            rows: The number of rows. If these may have several classes, shares are of rows.
        """
        if self.span is not None:
            return "numbers from {:g} to {:g}".format(*self.span)
        classes = self.classes or {}
        total = (sum(classes.values()) if self.labelled is None else rows) or 1
        shown = [f"{name} ({n:,}, {percent(n / total)})" for name, n in classes.items()]
        more = len(shown) - _CLASSES_SHOWN
        text = ", ".join([*shown[:_CLASSES_SHOWN], *([f"{more} more"] if more > 0 else [])])
        if self.labelled is not None:
            return f"{text}; {self.labelled:,} with a label"
        return text if self.positive is None else f"{text}, f1 is that of {self.positive}"


class UnderstoodSplit(Config):
    """The summary of one split.

    Attributes:
        rows: The number of examples.
        answers: The targets.
        unknown: The share of unknown tokens; None if the tokenizer has no unknown token.
        cut: The share of tokens that were cut off; None if they were not counted.
        cut_rows: About how many examples were cut; None if they were not counted.
    """

    rows: int
    answers: Answers = Answers()
    unknown: float | None = None
    cut: float | None = None
    cut_rows: int | None = None

    def __str__(self) -> str:
        """A description."""
        answers = self.answers.in_words(self.rows)
        shares = [answers] if answers else []
        if self.unknown is not None:
            shares.append(f"{percent(self.unknown)} of tokens unknown")
        if self.cut is not None:
            texts = "" if self.cut_rows is None else f"{counted(self.cut_rows, 'text')} cut, "
            share = f"{texts}{percent(self.cut)} of tokens lost"
            shares.append(share if self.cut else "no text cut")
        return "; ".join([counted(self.rows, "row"), *shares])


class Understood(Config):
    """The summary of a task's data, made before training.

    Attributes:
        type: The task type.
        texts: The text columns.
        label: The label column; None if the task type has none.
        splits: The splits by name, the training data first.
        notes: How the data was read, if there were several ways: one sentence each.
        doubts: Warnings about possible problems, one sentence each.
        max_length: The number of tokens that examples were cut to; None in files of earlier
            versions.
    """

    type: str
    texts: tuple[str, ...] = ()
    label: str | None = None
    splits: dict[str, UnderstoodSplit] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    max_length: int | None = None

    @property
    def columns(self) -> str:
        """A description of the columns; empty if they are not known."""
        label = [] if self.label is None else [f"label from {self.label}"]
        texts = [f"text from {' and '.join(self.texts)}"] if self.texts else []
        return ", ".join([*texts, *label])

    def lines(self) -> list[str]:
        """The notes and one line per split, without columns and warnings."""
        splits = [f"{name} ({self.type}): {split}" for name, split in self.splits.items()]
        return [*self.notes, *splits]
