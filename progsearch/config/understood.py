"""What was understood of a task's data, as a study keeps it."""

from __future__ import annotations

from pydantic import Field

from progsearch.config.base import Config

_CLASSES_SHOWN = 10


class Answers(Config):
    """What is to be predicted in a split.

    Attributes:
        classes: How many rows or tokens have each class; None: the answers are no classes.
        span: The least and the greatest number; None: they are no numbers.
    """

    classes: dict[str, int] | None = None
    span: tuple[float, float] | None = None

    def __str__(self) -> str:
        """In words; empty if the task type says nothing of them."""
        if self.span is not None:
            return "numbers from {:g} to {:g}".format(*self.span)
        shown = [f"{name} ({number})" for name, number in (self.classes or {}).items()]
        return ", ".join(shown[:_CLASSES_SHOWN]) + (", ..." if shown[_CLASSES_SHOWN:] else "")


class UnderstoodSplit(Config):
    """One split of the data.

    Attributes:
        rows: Its examples.
        answers: What is to be predicted.
        unknown: The share of unknown tokens; None if the tokenizer has no token for them.
        cut: The share of tokens that were cut off; None if that was not counted.
    """

    rows: int
    answers: Answers = Answers()
    unknown: float | None = None
    cut: float | None = None

    def __str__(self) -> str:
        """In words."""
        shares = [str(self.answers)] if str(self.answers) else []
        if self.unknown is not None:
            shares.append(f"{self.unknown:.1%} of tokens unknown".replace("%", " %"))
        if self.cut is not None:
            shares.append(f"{self.cut:.1%} cut off".replace("%", " %"))
        return "; ".join([f"{self.rows} rows", *shares])


class Understood(Config):
    """What was understood of a task's data before training.

    Attributes:
        type: The task type.
        texts: The columns of the texts.
        label: The column of the answers; None if the task type has none.
        splits: The splits by name, the training data first.
        doubts: Sentences on what may be wrong with it.
    """

    type: str
    texts: tuple[str, ...] = ()
    label: str | None = None
    splits: dict[str, UnderstoodSplit] = Field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def columns(self) -> str:
        """The columns in words; empty if they are not known."""
        label = [] if self.label is None else [f"label from {self.label}"]
        texts = [f"text from {' and '.join(self.texts)}"] if self.texts else []
        return ", ".join([*texts, *label])

    def lines(self) -> list[str]:
        """The splits in words, a line each, without the columns and the doubts."""
        return [f"{name} ({self.type}): {split}" for name, split in self.splits.items()]
