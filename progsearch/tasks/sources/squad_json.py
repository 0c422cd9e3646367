"""Reads the JSON layout of SQuAD: articles of paragraphs, each with its questions."""

from __future__ import annotations

from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.table import Table

_TEXTS, _STARTS, _NONE = "answers.text", "answers.answer_start", "is_impossible"


def articles_in(whole: Any) -> list[dict[str, Any]] | None:
    """The articles of a parsed file; None if it has another layout.

    They are a list, or the value of ``data`` beside the version of the data.
    """
    found = whole.get("data") if isinstance(whole, dict) else whole
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        return None
    return found if isinstance(found[0].get("paragraphs"), list) else None


def rows_in(whole: Any) -> list[dict[str, Any]] | None:
    """The rows of a flat file of questions, which are the value of ``data``; else None."""
    found = whole.get("data") if isinstance(whole, dict) else None
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        return None
    return found if {"question", "context"} <= found[0].keys() else None


def squad_table(source: str, articles: list[dict[str, Any]]) -> Table:
    """One row per question, in the columns that the same data has on the hub.

    Args:
        source: The file, for error messages.
        articles: See `articles_in`.

    Raises:
        TaskError: A part has another layout; the message names it.
    """
    names = ("id", "title", "context", "question", _TEXTS, _STARTS)
    rows: list[tuple[Any, ...]] = []
    for a, article in enumerate(articles):
        for p, paragraph in enumerate(_part(source, article, "paragraphs", f"data[{a}]")):
            place = f"data[{a}].paragraphs[{p}]"
            context = _text(source, paragraph, "context", place)
            for q, asked in enumerate(_part(source, paragraph, "qas", place)):
                where = f"{place}.qas[{q}]"
                question = _text(source, asked, "question", where)
                texts, starts = _answers(source, asked, where)
                rows.append(
                    (asked.get("id"), article.get("title"), context, question, texts, starts)
                )
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return Table(source, dict(zip(names, map(list, columns), strict=True)))


def _answers(source: str, asked: dict[str, Any], where: str) -> tuple[list[Any], list[Any]]:
    if asked.get(_NONE) is True:
        return [], []
    answers = _part(source, asked, "answers", where)
    for n, answer in enumerate(answers):
        if not {"text", "answer_start"} <= answer.keys():
            raise TaskError(
                f"{source}: {where}.answers[{n}] must have a text and an answer_start: correct it"
            )
    return [answer["text"] for answer in answers], [answer["answer_start"] for answer in answers]


def _part(source: str, whole: Any, key: str, where: str) -> list[dict[str, Any]]:
    found = whole.get(key) if isinstance(whole, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise TaskError(f"{source}: {where} has no list of objects {key!r}: correct it")
    return found


def _text(source: str, whole: dict[str, Any], key: str, where: str) -> str:
    found = whole.get(key)
    if not isinstance(found, str):
        raise TaskError(f"{source}: {where} has no text {key!r}: correct it")
    return found
