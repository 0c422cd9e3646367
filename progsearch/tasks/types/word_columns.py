"""Finds the columns of words and of their tags in a table, and reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import is_missing
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import has_usual_label, listed, normalised
from progsearch.tasks.types.label_sets import parsed
from progsearch.tasks.types.labels import class_name

WORD_NAMES = ("tokens", "words", "token", "word", "sentence", "text")
_TAG_NAMES = (
    *("ner_tags", "ner", "ner_tag", "ner_labels", "entity_tags", "entities", "tags", "tag"),
    *("labels", "label"),
)
# Names that only a tag for each word has.
_TAGS_ONLY = _TAG_NAMES[: _TAG_NAMES.index("entities")]
_OTHER_TAGS = ("pos_tags", "pos", "upos", "xpos", "chunk_tags", "chunk")
_SAMPLE = 200
_TAG = re.compile(r"O|[BIESLU]-\S+")
_AS_LISTS = 'lists such as {"tokens": ["Ada", "came"], "ner_tags": ["B-PER", "O"]}'


@dataclass(frozen=True)
class WordColumns:
    """The columns of a task with a tag for each word.

    Attributes:
        words: The column with the words of each sentence.
        tags: The column with their tags.
        left_out: Other columns of tags.
    """

    words: str
    tags: str
    left_out: tuple[str, ...] = ()


def has_words(table: Table, texts: Sequence[str] | None, label: str | None) -> bool:
    """Whether rows are lists of words, each with a tag; the columns are given or have usual names.

    Words and tags of entities may also stand in texts, separated by blanks.

    Raises:
        TaskError: There is no such column, or tags are given in a form that is not supported.
    """
    for name in (*(texts or ()), *([label] if label else [])):
        table.column(name)
    if texts is not None and len(texts) != 1:
        return False
    words = texts[0] if texts else _first(table.columns, WORD_NAMES)
    if words is None:
        return False
    labels = [label] if label else [name for name in table.columns if name != words]
    # Beside a label, other columns hold what else is known of a text.
    doubtful = [n for n in labels if label is not None or not has_usual_label(table, n)]
    _refuse_other_forms(table, words, doubtful)
    if not _are_lists(table, words):
        return any(_are_in_texts(table, words, name) for name in doubtful)
    # Rows with more words than tags are named when they are read.
    named = [name for name in labels if normalised(name) in _TAGS_ONLY and _are_lists(table, name)]
    return bool(named) or any(_belong(table, words, name) for name in labels)


def _refuse_other_forms(table: Table, words: str, labels: Sequence[str]) -> None:
    """Refuse a row per word, and entities that are marked by characters."""
    for name in labels:
        cells = [c for c in table.columns[name][:_SAMPLE] if not is_missing(c)]
        marked = [parsed(cell) for cell in cells]
        if marked and any(marked) and all(_is_marked(cell) for cell in marked):
            raise TaskError(
                f"{table.source} marks parts of texts by characters in column {name!r}: give a "
                f"tag for each word instead, as a CoNLL file or as {_AS_LISTS}"
            )
        if cells and all(isinstance(c, str) and _TAG.fullmatch(c) for c in cells):
            single = [str(cell) for cell in table.columns[words][:_SAMPLE]]
            if set(cells) > {"O"} and not any(" " in word for word in single):
                raise TaskError(
                    f"{table.source} has a row for each word: give a row for each sentence, with "
                    f"{_AS_LISTS}, or a CoNLL file (a word and its tag per line, an empty line "
                    "between sentences)"
                )


def _is_marked(cell: Any) -> bool:
    """Whether a cell is a list of parts such as ``[0, 3, "PER"]``, or of objects of these."""
    if not isinstance(cell, list):
        return False
    return all(
        {"start", "end"} <= part.keys()
        if isinstance(part, dict)
        else isinstance(part, list) and [type(value) for value in part] == [int, int, str]
        for part in cell
    )


def word_columns(table: Table, texts: Sequence[str] | None, label: str | None) -> WordColumns:
    """The columns of words and tags, given or by their names.

    Raises:
        TaskError: There are none, or it is not clear which.
    """
    lists = [name for name in table.columns if _are_lists(table, name)]
    if not lists:
        found = texts[0] if texts else _first(table.columns, WORD_NAMES)
        tagged = [n for n in table.columns if found and _are_in_texts(table, found, n)]
        lists = [found, *tagged] if found and tagged else []
    words = texts[0] if texts else _first(lists, WORD_NAMES)
    if texts and (len(texts) > 1 or texts[0] not in lists):
        raise TaskError(
            f"{table.source}: --text-columns {','.join(texts)} must be one column of lists of "
            f"words, which are {listed(lists) or 'none'}"
        )
    if words is None or len(lists) < 2:
        raise TaskError(
            f"{table.source} has no column of lists of words with one of their tags: give a CoNLL "
            f"file, or {_AS_LISTS}"
        )
    if label is not None:
        table.column(label)
        return WordColumns(words, label)
    others = [name for name in lists if name != words]
    may_be = [name for name in others if _belong(table, words, name)]
    may_be = may_be or [name for name in others if normalised(name) in _TAGS_ONLY]
    tags = _first(may_be, _TAG_NAMES) or (may_be[0] if len(may_be) == 1 else None)
    if tags is None and set(map(normalised, may_be)) & set(_OTHER_TAGS):
        raise TaskError(
            f"{table.source}: the column of tags is not clear, it may be {listed(may_be, 'or')}: "
            "name it with --label-column"
        )
    if tags is None:
        raise TaskError(
            f"{table.source} has no column with a tag for each word in {words!r}, only "
            f"{listed(others)}: name it with --label-column"
        )
    return WordColumns(words, tags, tuple(name for name in may_be if name != tags))


def read_words(
    table: Table, columns: WordColumns
) -> tuple[list[tuple[str, ...]], list[list[str]]]:
    """The words of each sentence and their tags.

    Raises:
        TaskError: A sentence has another number of words than tags, or a cell is no such list.
    """
    words, tags = [], []
    cells = zip(table.column(columns.words), table.column(columns.tags), strict=True)
    for row, (in_words, in_tags) in enumerate(cells):
        found = [_items(in_words), _items(in_tags, are_tags=True)]
        for name, cell in zip((columns.words, columns.tags), found, strict=True):
            if not isinstance(cell, list) or any(map(_is_none, cell)):
                raise TaskError(
                    f"{table.source}, {table.places([row])} has no list of words or tags in "
                    f"column {name!r}: correct it or remove the row"
                )
        if len(found[0] or ()) != len(found[1] or ()):
            raise TaskError(
                f"{table.source}, {table.places([row])} has {len(found[0] or ())} words and "
                f"{len(found[1] or ())} tags: write a tag for each word"
            )
        words.append(tuple(map(str, found[0] or ())))
        tags.append([class_name(tag) for tag in found[1] or ()])
    return words, tags


def has_tags(table: Table, column: str) -> bool:
    """Whether a table has the tags of any word; test sets of the hub may have none."""
    cells = table.columns.get(column, [])
    return any(not _is_none(tag) for cell in cells for tag in parsed(cell) or ())


def _first(names: Sequence[str] | dict[str, Any], wanted: Sequence[str]) -> str | None:
    """The first of the names that are wanted, by the order of these."""
    by_name = {normalised(name): name for name in names}
    return next((by_name[name] for name in wanted if name in by_name), None)


def _are_lists(table: Table, name: str) -> bool:
    cells = [cell for cell in table.columns[name][:_SAMPLE] if not is_missing(cell)]
    return bool(cells) and all(isinstance(parsed(cell), list) for cell in cells)


def _belong(table: Table, words: str, tags: str) -> bool:
    """Whether each word has a tag: texts beside texts or whole numbers, as many of them."""
    cells = list(zip(table.columns[words][:_SAMPLE], table.columns[tags][:_SAMPLE], strict=True))
    pairs = [(_items(of_words), _items(of_tags, are_tags=True)) for of_words, of_tags in cells]
    fitting = [
        isinstance(of_words, list)
        and isinstance(of_tags, list)
        and len(of_words) == len(of_tags)
        and all(isinstance(word, str) for word in of_words)
        and all(isinstance(tag, (str, int)) for tag in of_tags)
        for of_words, of_tags in pairs
    ]
    # A few faulty rows are named when they are read.
    return 10 * sum(fitting) >= 9 * len(fitting) > 0


def _are_in_texts(table: Table, words: str, tags: str) -> bool:
    """Whether cells are texts of as many words as tags of entities, separated by blanks."""
    cells = [cell for cell in table.columns[tags][:_SAMPLE] if not is_missing(cell)]
    if words == tags or not cells:
        return False
    if not all(isinstance(cell, str) and parsed(cell) is None for cell in cells):
        return False
    found = {tag for cell in cells for tag in _items(cell, are_tags=True) or ()}
    return (
        all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in found)
        and found > {"O"}
        and _belong(table, words, tags)
    )


def _items(cell: Any, *, are_tags: bool = False) -> Any:
    """The words or tags of a cell: a list, or a text that blanks (of tags, commas) separate."""
    found = parsed(cell)
    if found is not None or not isinstance(cell, str):
        return found
    return (cell.replace(",", " ") if are_tags else cell).split()


def _is_none(value: Any) -> bool:
    return value is None or isinstance(value, (list, dict))
