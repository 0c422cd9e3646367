"""Finds the columns of questions, texts and answers, and reads the answers."""

from __future__ import annotations

import ast
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing, number
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import (
    first_named,
    has_usual_label,
    named_columns,
    normalised,
)

_log = logging.getLogger(__name__)

Answer = tuple[str, int]
"""The words of a right answer and their first character in the text."""

_QUESTIONS = ("question", "query")
_CONTEXTS = ("context", "passage", "paragraph")
_ANSWERS = ("answers", "answer")
_TEXTS = ("text", "answer_text", "answer", "answers")
_STARTS = ("answer_start", "answer_starts", "start", "answer_begin")
_IMPOSSIBLE = "is_impossible"
# Answers of no text, and the share of answers that must stand in their texts to be parts of them.
_YES_OR_NO = {"yes", "no", "true", "false", "maybe"}
_FOUND = 0.9
_SAMPLE = 1000
# With fewer different answers they may be classes.
_FEWEST_ANSWERS = 4


@dataclass(frozen=True)
class AnswerColumns:
    """The columns of questions with answers in their texts.

    Attributes:
        question: The questions.
        context: The texts.
        answer: The words of the answers, or objects of words and starts.
        start: The first characters of the answers; None if they are in ``answer``.
        searched: Whether nothing says where answers start, so that they are searched.
    """

    question: str
    context: str
    answer: str
    start: str | None
    searched: bool = False

    @property
    def label(self) -> str:
        """The name of the answers for people."""
        return self.answer.partition(".")[0] if self.start else self.answer


def find_columns(source: Source, config: TaskConfig) -> AnswerColumns | None:
    """The columns, given or found by their names; None if they are not there.

    ``--text-columns`` names question and text, ``--label-column`` the answers.
    """
    table = source.train
    given = source.text_columns or config.text_columns or ()
    named = named_columns(table)
    question, context = (
        given
        if len(given) == 2
        else (first_named(named, _QUESTIONS), first_named(named, _CONTEXTS))
    )
    if not question or not context or not {question, context} <= table.columns.keys():
        return None
    label = source.label_column or config.label_column
    found = _answer_columns(table, named, label)
    if found is not None:
        return AnswerColumns(question, context, *found)
    answer = label or first_named(named, _ANSWERS)
    if answer not in table.columns or not _are_in_texts(table, answer, context):
        return None
    return AnswerColumns(question, context, answer, None, searched=True)


def _are_in_texts(table: Table, answer: str, context: str) -> bool:
    """Whether nearly all answers are words of their texts."""
    cells = zip(table.columns[answer][:_SAMPLE], table.columns[context], strict=False)
    found = []
    for cell, text in cells:
        for given in _listed(cell):
            if not isinstance(given, str):
                return False
            found.append(bool(_places(given, str(text))))
    return bool(found) and sum(found) >= _FOUND * len(found)


def are_searched(source: Source, config: TaskConfig, columns: AnswerColumns) -> bool:
    """Whether answers without starts cannot be classes, nor another column the label."""
    table = source.train
    if (source.label_column or config.label_column) is None and has_usual_label(table):
        return False
    words = {str(a).strip().casefold() for c in table.columns[columns.answer] for a in _listed(c)}
    return len(words) >= _FEWEST_ANSWERS and not words <= _YES_OR_NO


def _places(answer: str, text: str) -> list[int]:
    """Where an answer stands in a text as whole words."""
    if not answer.strip():
        return []
    found = [match.start() for match in re.finditer(re.escape(answer), text)]
    return [
        at
        for at in found
        if not _is_one_word(text[max(0, at - 1) : at + 1])
        and not _is_one_word(text[at + len(answer) - 1 : at + len(answer) + 1])
    ]


def _is_one_word(pair: str) -> bool:
    """Whether two characters belong to one word; Chinese and Japanese have no blanks between."""
    return len(pair) == 2 and all(
        char.isalnum() and unicodedata.east_asian_width(char) not in "WF" for char in pair
    )


def _answer_columns(
    table: Table, named: dict[str, str], given: str | None
) -> tuple[str, str | None] | None:
    for prefix in [given] if given else _ANSWERS:
        text = first_named(named, [f"{normalised(prefix)}.{name}" for name in _TEXTS])
        start = first_named(named, [f"{normalised(prefix)}.{name}" for name in _STARTS])
        if text and start:
            return text, start
    text = given if given in table.columns else None if given else first_named(named, _TEXTS)
    if text is None:
        return None
    beside = [f"{normalised(text)}_start", *_STARTS]
    start = first_named(named, beside)
    if start and start != text:
        return text, start
    return (text, None) if any(map(_holds_objects, table.columns[text])) else None


def _holds_objects(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.lstrip().startswith(("{", "[{")) and "answer_start" in cell
    return isinstance(cell, list) and any(isinstance(item, dict) for item in cell)


def read_answers(table: Table, columns: AnswerColumns) -> list[tuple[Answer, ...]]:
    """The right answers to each question; none if its text holds no answer.

    Raises:
        TaskError: A row has answers without a start, or not as many as starts.
    """
    if columns.searched:
        return _searched(table, columns)
    cells = table.column(columns.answer)
    starts: Sequence[Any] = table.column(columns.start) if columns.start else [None] * len(cells)
    flags = table.columns.get(_IMPOSSIBLE, [None] * len(cells))
    found: list[tuple[Answer, ...]] = []
    for row, (cell, start) in enumerate(zip(cells, starts, strict=True)):
        if str(flags[row]).casefold() in ("true", "1"):
            found.append(())
            continue
        pairs = _pairs(cell, start) if columns.start else _pairs_in(cell)
        if pairs is None or any(begin is None for _, begin in pairs):
            raise TaskError(
                f"{table.source}, {table.places([row])}: the answers {str(cell)[:60]!r} must have "
                "one start each, the number of their first character in the text counted from 0: "
                f"correct column {columns.start or columns.answer!r}"
            )
        found.append(
            tuple((text, begin) for text, begin in pairs if begin is not None and text.strip())
        )
    return found


def _searched(table: Table, columns: AnswerColumns) -> list[tuple[Answer, ...]]:
    """The answers at the first place where their texts have them."""
    found, several, missing = [], 0, []
    cells = zip(table.column(columns.answer), table.column(columns.context), strict=True)
    for row, (cell, text) in enumerate(cells):
        answers = [str(given) for given in _listed(cell) if str(given).strip()]
        places = [_places(answer, str(text)) for answer in answers]
        several += any(len(of_answer) > 1 for of_answer in places)
        if not all(places):
            missing.append(row)
        else:
            found.append(tuple((a, at[0]) for a, at in zip(answers, places, strict=True)))
    if missing:
        raise TaskError(
            f"{table.source}, {table.places(missing)}: the answer is not in the text of column "
            f"{columns.context!r} as whole words: correct it, leave it empty if the text has no "
            f"answer, or give a column {columns.answer}_start"
        )
    _log.info(
        "%s: no column says where answers start, so they are searched in the texts%s",
        *(
            table.source,
            f"; {several:,} of {len(found):,} occur more than once, the first place is taken"
            if several
            else "",
        ),
    )
    return found


def _pairs(texts: Any, starts: Any) -> list[tuple[str, int | None]] | None:
    """The answers of two cells; None if there are not as many texts as starts."""
    texts, starts = _listed(texts), _listed(starts)
    if len(texts) != len(starts):
        # The start of "no answer" is often written as -1 or 0.
        return [] if not texts else None
    return [(str(text), _whole(start)) for text, start in zip(texts, starts, strict=True)]


def _pairs_in(cell: Any) -> list[tuple[str, int | None]] | None:
    """The answers of a cell of objects, which may be written as Python or JSON writes them."""
    if isinstance(cell, str):
        try:
            cell = ast.literal_eval(cell) if cell.strip() else []
        except (ValueError, SyntaxError):
            return None
    if isinstance(cell, dict):
        return _pairs(cell.get("text"), cell.get("answer_start"))
    items = [] if is_missing(cell) else cell
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    return [(str(item.get("text")), _whole(item.get("answer_start"))) for item in items]


def _listed(cell: Any) -> list[Any]:
    if isinstance(cell, (list, tuple)):
        return list(cell)
    return [] if is_missing(cell) else [cell]


def _whole(cell: Any) -> int | None:
    value = number(cell)
    return int(value) if value is not None and value >= 0 and value == int(value) else None
