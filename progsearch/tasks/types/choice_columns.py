"""Finds the columns of choices, and reads which one is right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing, number
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import first_named, named_columns, normalised

_QUESTIONS = ("question", "question_stem", "question.stem", "query", "stem")
_CONTEXTS = ("context", "article", "passage", "premise", "paragraph")
_BEGINNINGS = ("sent1", *_QUESTIONS, *_CONTEXTS, "ctx", "goal", "startphrase", "sentence")
_SECOND = "sent2"
_LISTS = ("choices", "endings", "options", "answers", "question.choices")
_NUMBERED = re.compile(r"(ending|choice|option|answer|sol|solution)_?([0-9])")
_LETTERED = re.compile(r"(ending_|choice_|option_|answer_|)([a-j])")
_LABELS = ("label", "answer", "answer_key", "correct_answer", "gold", "correct")
_LETTERS = "abcdefghij"
_FEWEST = 2
_SAMPLE = 10


@dataclass(frozen=True)
class ChoiceColumns:
    """The columns of a task of multiple choice.

    Attributes:
        beginning: What the choices follow.
        second: A part of the beginning that is joined to each choice, as in SWAG, or the question
            on a text, as in RACE; None if there is none.
        choices: A column of each choice, or a single one of lists.
        label: Which choice is right.
        first: The number of the first choice, where labels are numbers.
    """

    beginning: str
    second: str | None
    choices: tuple[str, ...]
    label: str
    first: int


def find_columns(source: Source, config: TaskConfig) -> ChoiceColumns | None:
    """The columns, given or found by their names; None if they are not there."""
    table = source.train
    named = named_columns(table)
    given = source.text_columns or config.text_columns or ()
    label = source.label_column or config.label_column
    label = label or first_named(named, _LABELS)
    beginning, second = _beginning(named)
    choices = _choice_columns(table, named, label)
    if given:
        beginning, second = given[0], named.get(_SECOND)
        choices = tuple(given[1:]) if _holds_lists(table, given[-1]) else ()
    if beginning is None or label is None or not choices or label in choices:
        return None
    if not {beginning, label, *choices} <= table.columns.keys():
        return None
    first = _first_of(table, choices[0], label)
    found = ChoiceColumns(beginning, second, choices, label, first)
    return found if given or _labels_fit(table, found) else None


def _labels_fit(table: Table, columns: ChoiceColumns) -> bool:
    """Whether the first labels are whole numbers, letters or choices, most of them."""
    fitting = []
    for row, cell in enumerate(table.columns[columns.label][:_SAMPLE]):
        value, text = number(cell), str(cell).strip()
        named = [str(table.columns[name][row]).strip() for name in columns.choices]
        is_word = len(columns.choices) == 1 or text in named
        is_letter = len(text) == 1 and text.casefold() in _LETTERS
        fitting.append(value == int(value) if value is not None else is_letter or is_word)
    return 2 * sum(fitting) >= len(fitting)


def _beginning(named: dict[str, str]) -> tuple[str | None, str | None]:
    """The column that begins, and the one that is joined to each choice."""
    context, question = first_named(named, _CONTEXTS), first_named(named, _QUESTIONS)
    if context is not None and question is not None and "sent1" not in named:
        return context, question
    return first_named(named, _BEGINNINGS), named.get(_SECOND)


def _choice_columns(table: Table, named: dict[str, str], label: str | None) -> tuple[str, ...]:
    numbered = {match[0]: match for match in map(_NUMBERED.fullmatch, named) if match}
    for kind in dict.fromkeys(match[1] for match in numbered.values()):
        found = sorted((int(m[2]), named[name]) for name, m in numbered.items() if m[1] == kind)
        places = [place for place, _ in found]
        if len(found) >= _FEWEST and places == list(range(places[0], places[0] + len(found))):
            return tuple(name for _, name in found)
    lettered = [match for match in map(_LETTERED.fullmatch, named) if match]
    for kind in dict.fromkeys(match[1] for match in lettered):
        by_letter = {match[2]: named[match[0]] for match in lettered if match[1] == kind}
        letters = "".join(sorted(by_letter))
        right = {str(cell).strip().casefold() for cell in table.columns.get(label or "", [])}
        # Columns may be called a and b for other reasons: the right ones must be letters, too,
        # and without another name there must be more of them.
        enough = _FEWEST if kind else _FEWEST + 1
        if len(letters) >= enough and _LETTERS.startswith(letters) and right <= set(letters):
            return tuple(by_letter[letter] for letter in letters)
    # Lists of the hub's questions are objects of labels and texts.
    for name in (f"{name}{suffix}" for name in _LISTS for suffix in ("", ".text")):
        if name in named and _holds_lists(table, named[name]):
            return (named[name],)
    return ()


def _holds_lists(table: Table, column: str) -> bool:
    return all(isinstance(cell, list) for cell in table.columns.get(column, [None])[:_SAMPLE])


def read_choices(
    table: Table, columns: ChoiceColumns, n_choices: int | None = None
) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The choices of each row, and the place of the right one.

    Args:
        table: The rows.
        columns: Their columns.
        n_choices: How many choices the training rows have.

    Raises:
        TaskError: Rows have not the same number of choices, or a label is none of them.
    """
    if len(columns.choices) == 1:
        name = columns.choices[0]
        found = table.column(name)
        odd = [row for row, cell in enumerate(found) if not isinstance(cell, list)]
        if odd:
            raise TaskError(
                f"{table.source}, {table.places(odd)}: {name} must hold a list of choices, got "
                f"{str(found[odd[0]])[:40]!r}"
            )
        cells = [tuple(map(_words, cell)) for cell in found]
    else:
        parts = [table.column(name) for name in columns.choices]
        cells = [tuple(map(str, row)) for row in zip(*parts, strict=True)]
    wanted = n_choices or len(cells[0])
    for row, choices in enumerate(cells):
        if len(choices) != wanted or wanted < _FEWEST:
            raise TaskError(
                f"{table.source}, {table.places([row])} has {len(choices)} choices and the first "
                f"training row {wanted}: all rows must have the same number, at least {_FEWEST}"
            )
    labels = [_label(table, columns, row, cells[row]) for row in range(len(cells))]
    if columns.second is not None:
        seconds = table.column(columns.second)
        cells = [
            tuple(choice if is_missing(second) else f"{second} {choice}" for choice in choices)
            for second, choices in zip(seconds, cells, strict=True)
        ]
    return cells, np.array(labels, dtype=np.int64)


def _words(choice: Any) -> str:
    """The words of a choice, which may be an object of its letter and its text."""
    return str(choice["text"] if isinstance(choice, dict) and "text" in choice else choice)


def _first_of(table: Table, choice: str, label: str) -> int:
    """The number of the first choice: 1 if the columns of choices count from 1, else 0.

    COPA has columns from 1 and labels from 0: some label of its training rows is 0.
    """
    if any(number(cell) == 0 for cell in table.column(label)):
        return 0
    match = _NUMBERED.fullmatch(normalised(choice))
    return int(match[2]) if match else 0


def _label(table: Table, columns: ChoiceColumns, row: int, choices: tuple[str, ...]) -> int:
    cell: Any = table.column(columns.label)[row]
    value, text = number(cell), str(cell).strip()
    place: int | None = None
    if value is not None and value == int(value):
        place = int(value) - columns.first
    elif text.casefold() in _LETTERS and len(text) == 1:
        place = _LETTERS.index(text.casefold())
    elif choices.count(text) == 1:
        place = choices.index(text)
    if place is None or not 0 <= place < len(choices):
        raise TaskError(
            f"{table.source}, {table.places([row])}: the label {text[:40]!r} is none of its "
            f"{len(choices)} choices: give their numbers from {columns.first}, letters from A or "
            "words"
        )
    return place
