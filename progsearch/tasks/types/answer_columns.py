"""Finds the columns of questions, texts and answers, and reads the answers."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing, number
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import normalised

Answer = tuple[str, int]
"""The words of a right answer and their first character in the text."""

_QUESTIONS = ("question", "query")
_CONTEXTS = ("context", "passage", "paragraph")
_ANSWERS = ("answers", "answer")
_TEXTS = ("text", "answer_text", "answer", "answers")
_STARTS = ("answer_start", "answer_starts", "start", "answer_begin")
_IMPOSSIBLE = "is_impossible"


@dataclass(frozen=True)
class AnswerColumns:
    """The columns of questions with answers in their texts.

    Attributes:
        question: The questions.
        context: The texts.
        answer: The words of the answers, or objects of words and starts.
        start: The first characters of the answers; None if they are in ``answer``.
    """

    question: str
    context: str
    answer: str
    start: str | None

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
    named = {normalised(name): name for name in reversed(list(table.columns))}
    question, context = (
        given if len(given) == 2 else (_first(named, _QUESTIONS), _first(named, _CONTEXTS))
    )
    if not question or not context or not {question, context} <= table.columns.keys():
        return None
    found = _answer_columns(table, named, source.label_column or config.label_column)
    return None if found is None else AnswerColumns(question, context, *found)


def _answer_columns(
    table: Table, named: dict[str, str], given: str | None
) -> tuple[str, str | None] | None:
    for prefix in [given] if given else _ANSWERS:
        text = _first(named, [f"{normalised(prefix)}.{name}" for name in _TEXTS])
        start = _first(named, [f"{normalised(prefix)}.{name}" for name in _STARTS])
        if text and start:
            return text, start
    text = given if given in table.columns else None if given else _first(named, _TEXTS)
    if text is None:
        return None
    beside = [f"{normalised(text)}_start", *_STARTS]
    start = _first(named, beside)
    if start and start != text:
        return text, start
    return (text, None) if any(map(_holds_objects, table.columns[text])) else None


def _first(named: dict[str, str], names: Iterable[str]) -> str | None:
    return next((named[name] for name in names if name in named), None)


def _holds_objects(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.lstrip().startswith(("{", "[{")) and "answer_start" in cell
    return isinstance(cell, list) and any(isinstance(item, dict) for item in cell)


def read_answers(table: Table, columns: AnswerColumns) -> list[tuple[Answer, ...]]:
    """The right answers to each question; none if its text holds no answer.

    Raises:
        TaskError: A row has answers without a start, or not as many as starts.
    """
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
