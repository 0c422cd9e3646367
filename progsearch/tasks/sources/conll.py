"""Parses CoNLL files: one word per line with its tags, and an empty line after each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from progsearch.errors import TaskError
from progsearch.numerals import counted
from progsearch.tasks.sources.table import Table

WORDS, TAGS = "tokens", "tags"
"""The names of the columns of words and of tags, which stand in the last column of the file."""

_DOCUMENT = "-DOCSTART-"
# What lines begin with that may be no words.
_NO_WORD = ("#", _DOCUMENT)
_FEWEST, _MOST = 2, 4
# More words without an empty line are no sentence.
_LONGEST = 1000
_TAG = re.compile(r"O|[BIESLUM]-\S+")
# Only these: words may hold other blanks, such as a no-break space.
_BLANKS = re.compile(r"[ \t]+")


@dataclass
class _Sentence:
    """The lines of a sentence, each as its cells."""

    line: int
    words: list[list[str]] = field(default_factory=list)


def parse_conll(source: str, text: str) -> Table:
    """The sentences of a CoNLL file as rows whose cells are lists.

    The first column holds words, the last one tags; there may be one or two columns between them,
    which are named ``column_2`` and ``column_3``. Columns are separated by tabs if each line has
    one, else by blanks. Lines that begin a document (``-DOCSTART-``) and comments are left out.

    Args:
        source: The file, for error messages.
        text: Its text.

    Raises:
        TaskError: A line has another number of columns than the others, or there are no sentences.
    """
    lines = _lines(text)
    by_tab = all("\t" in line for _, line in lines if line and not line.startswith(_NO_WORD))
    cells = {number: _cells(line, by_tab=by_tab) for number, line in lines}
    width = _width(source, cells)
    tags = {found[-1] for found in cells.values() if found and not found[0].startswith("#")}
    sentences: list[_Sentence] = []
    is_open = False
    for number, line in lines:
        found = cells[number]
        if not found or line.startswith(_DOCUMENT):
            is_open = False
            continue
        # A word may begin with this sign, too, such as the hashtags of tweets.
        if line.startswith("#") and (
            len(found) != width or not (is_open or by_tab or found[-1] in tags)
        ):
            continue
        if len(found) != width:
            raise TaskError(
                f"{source}, line {number} has {counted(len(found), 'column')} and the others "
                f"{width}: write a word and its tags into each line, and an empty line after each "
                "sentence"
            )
        if not is_open:
            sentences.append(_Sentence(number))
        is_open = True
        sentences[-1].words.append(found)
    return _table(source, sentences, width)


def is_conll(text: str) -> bool:
    """Whether a text can only be a CoNLL file: each line ends with an IOB tag or O."""
    found = [line for _, line in _lines(text) if line and not line.startswith(_NO_WORD)]
    tags = {_BLANKS.split(line)[-1] for line in found}
    several = all(_BLANKS.search(line) for line in found)
    return bool(tags - {"O"}) and several and all(map(_TAG.fullmatch, tags))


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines with their numbers, empty ones included."""
    # Not `splitlines`, which also splits at signs that are part of words, such as U+2028.
    lines = (line.removesuffix("\r").rstrip(" \t") for line in text.split("\n"))
    return list(enumerate(lines, 1))


def _cells(line: str, *, by_tab: bool) -> list[str]:
    if not line:
        return []
    return line.split("\t") if by_tab else _BLANKS.split(line.lstrip(" \t"))


def _width(source: str, cells: dict[int, list[str]]) -> int:
    """The number of columns: that of most lines."""
    counts = Counter(
        len(found) for found in cells.values() if found and not found[0].startswith(_NO_WORD)
    )
    if not counts:
        raise TaskError(f"{source} has no sentences: give a file with a word and its tag per line")
    width = counts.most_common(1)[0][0]
    if not _FEWEST <= width <= _MOST:
        raise TaskError(
            f"{source} has {counted(width, 'column')}: a CoNLL file has {_FEWEST} to {_MOST}, the "
            "word first and its tag last; remove the others"
        )
    return width


def _table(source: str, sentences: list[_Sentence], width: int) -> Table:
    longest = max(sentences, key=lambda found: len(found.words))
    if len(longest.words) > _LONGEST:
        raise TaskError(
            f"{source}, line {longest.line} begins a sentence of {len(longest.words)} words: "
            "write an empty line after each sentence"
        )
    columns = {
        name: [[cells[place] for cells in sentence.words] for sentence in sentences]
        for place, name in enumerate(_names(width))
    }
    return Table(source, columns, lines=tuple(sentence.line for sentence in sentences))


def _names(width: int) -> Iterator[str]:
    yield WORDS
    yield from (f"column_{place}" for place in range(2, width))
    yield TAGS
