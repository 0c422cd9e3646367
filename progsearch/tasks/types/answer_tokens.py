"""Finds answers among the tokens of windows, and takes them back to words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from progsearch.tasks.passages import NOWHERE
from progsearch.tasks.split import Split
from progsearch.tasks.types.answer_columns import Answer
from progsearch.tasks.types.answer_words import normalised
from progsearch.tasks.windows import Windows


@dataclass(frozen=True)
class _Window:
    """Where the tokens of a window stand in its text.

    Attributes:
        first: The place in the window of the first token of the text.
        starts: The first character of each of its tokens, ascending.
        ends: The character after each of them, ascending.
    """

    first: int
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, offsets: np.ndarray) -> _Window | None:
        """The window with these offsets; None if it holds nothing of the text."""
        places = np.flatnonzero(offsets[:, 0] != NOWHERE)
        if not len(places):
            return None
        text = offsets[places[0] : places[-1] + 1]
        return cls(int(places[0]), text[:, 0], text[:, 1])

    def tokens(self, first: int, end: int) -> tuple[int, int] | None:
        """The first and the last token of some characters; None if they are not all here."""
        if first < self.starts[0] or end > self.ends[-1]:
            return None
        start = int(np.searchsorted(self.starts, first, side="right")) - 1
        last = int(np.searchsorted(self.ends, end, side="left"))
        return start, last


def positions(found: Windows, answers: Sequence[tuple[Answer, ...]]) -> dict[str, np.ndarray]:
    """The targets of each window: the tokens at which the first right answer begins and ends.

    A window that does not hold all of it points at its null token, and so does each window of a
    question without an answer.
    """
    targets = np.stack([found.nulls, found.nulls])
    for row, offsets in enumerate(_each(found.offsets, found.tokens.lengths)):
        given = answers[found.example_of[row]]
        window = _Window.of(offsets)
        if window is not None and given:
            text, first = given[0]
            tokens = window.tokens(first, first + len(text))
            if tokens is not None:
                targets[:, row] = np.array(tokens) + window.first
    return {"start_positions": targets[0], "end_positions": targets[1]}


def lost_answers(split: Split) -> list[tuple[str, str]]:
    """The right answers that are not the same after they were taken through tokens and back.

    Returns:
        Each answer with what came back: other words, or nothing if no window holds all of it.
    """
    passages = split.passages
    assert passages is not None, "answers are cut from texts"
    contexts, answers = passages.examples.texts[1], passages.examples.answers
    back: dict[tuple[int, int], str] = {}
    for row, offsets in enumerate(_each(passages.offsets, split.lengths)):
        example = int(split.example_of[row])
        window = _Window.of(offsets)
        if window is None:
            continue
        for place, (text, first) in enumerate(answers[example]):
            tokens = window.tokens(first, first + len(text))
            if tokens is not None:
                start, end = window.starts[tokens[0]], window.ends[tokens[1]]
                back.setdefault((example, place), contexts[example][start:end])
    return [
        (text, back.get((example, place), ""))
        for example, given in enumerate(answers)
        for place, (text, _) in enumerate(given)
        if normalised(back.get((example, place), "")) != normalised(text)
    ]


def _each(offsets: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """The offsets of each window."""
    return np.split(offsets, np.cumsum(lengths)[:-1])
