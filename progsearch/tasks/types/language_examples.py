"""The examples of language models: their forms, their pieces, and what is asked of them."""

from __future__ import annotations

import logging
from typing import Any

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.answering import Question, found_in, pattern_of
from progsearch.tasks.examples import Examples
from progsearch.tasks.next_tokens import Piece, begin_of, prompt_of
from progsearch.tasks.sampling import hold_out
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.instructions import (
    Form,
    Layout,
    conversation_pieces,
    last_answer,
    layout_of,
)

_log = logging.getLogger(__name__)

GENERAL = "general"
"""The name of the split with text outside of the task."""

_VALIDATION_SHARE = 0.1


def as_form(form: Form, texts: tuple[list[str], ...]) -> Examples:
    """Examples of a form, which stands in the place of their answers."""
    return Examples(texts, [form] * len(texts[0]))


def form_of(examples: Examples) -> Form:
    """What each example is."""
    form: Form = examples.answers[0] if len(examples) else "text"
    return form


def pieces_of(examples: Examples, tokenizer: Any) -> list[list[Piece]]:
    """The pieces of each example's text.

    Raises:
        TaskError: The tokenizer cannot write conversations.
    """
    if form_of(examples) == "messages":
        return conversation_pieces(examples.texts[0], tokenizer)
    if form_of(examples) == "text":
        return [[Piece(text, True)] for text in examples.texts[0]]
    rows = zip(*examples.texts, strict=True)
    return [[Piece(prompt, False), Piece(answer, True)] for prompt, answer in rows]


def answers_of(examples: Examples) -> list[str]:
    """The completion of each example, or the last answer of each conversation."""
    answers = examples.texts[-1]
    return list(map(last_answer, answers)) if form_of(examples) == "messages" else answers


def questions_of(examples: Examples, tokenizer: Any) -> list[Question]:
    """What comes before the last answer of each example, and this answer."""
    begin = [] if form_of(examples) == "messages" else begin_of(tokenizer)
    return [
        Question([*begin, *prompt_of(pieces, tokenizer)], answer)
        for pieces, answer in zip(
            pieces_of(examples, tokenizer), answers_of(examples), strict=True
        )
    ]


def check_answers(examples: Examples, pattern: str) -> None:
    """Refuse a pattern that no answer has.

    Raises:
        TaskError: It has mistakes, finds nothing, or there are no answers.
    """
    wanted = pattern_of(pattern)
    if form_of(examples) == "text":
        raise TaskError(
            "--answer-pattern is for prompts with completions or conversations, but the data "
            "holds texts: leave it out, or give the data as prompt and completion"
        )
    if all(found_in(answer, wanted) is None for answer in answers_of(examples)):
        raise TaskError(
            f"no answer of the validation data matches --answer-pattern {pattern!r}: give a "
            "pattern that finds what must be right in them, such as '#### (.*)'"
        )


def general_text(source: Source) -> dict[str, Examples]:
    """The text outside of the task as a split, if there is some.

    Raises:
        TaskError: It is no plain text.
    """
    if source.general is None:
        return {}
    layout = layout_of(source.general, TaskConfig(name=source.name))
    if layout.form != "text":
        raise TaskError(
            f"{source.general.source} has the columns {', '.join(source.general.columns)}, but "
            "--general-file must hold plain texts: give a .txt file, or one with a column text"
        )
    return {GENERAL: as_form("text", layout.examples(source.general))}


def note_on(table: Table, layout: Layout) -> tuple[str, ...]:
    """How prompts are made, if that does not follow from the columns."""
    if layout.form == "messages":
        return (f"{table.source}: conversations in the chat template of the model's tokenizer",)
    if layout.completion is None:
        return ()
    how = f", in {layout.template}" if layout.is_alpaca else ""
    how = how or (", one line each" if layout.template else "")
    return (
        f"{table.source}: prompt from {' and '.join(layout.prompts)}{how}, completion from "
        f"{layout.completion}; the loss is that of completions",
    )


def held_out(source: str, examples: Examples, layout: Layout) -> tuple[Examples, Examples]:
    """Training and validation examples; a single text is cut at a line break or blank.

    Raises:
        TaskError: There is only one example.
    """
    if len(examples) == 1 and layout.form == "text":
        text = examples.texts[0][0]
        before = round(len(text) * (1 - _VALIDATION_SHARE)) + 1
        place = (text.rfind("\n", 0, before) + 1) or (text.rfind(" ", 0, before) + 1)
        parts = [text[:place], text[place:]]
        if all(part.strip() for part in parts):
            _log.info("%s: no validation data given, so its last tenth is held out", source)
            train, validation = (as_form("text", ([part],)) for part in parts)
            return train, validation
    return hold_out(source, examples, None)
