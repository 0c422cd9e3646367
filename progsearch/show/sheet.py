"""Tables that fit every width: no name is cut, and columns are left out by their rank."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from progsearch.show.wrapping import wrapped

_GAP = "  "
_BELOW = "  "
# A cell such as ``0.81 ± 0.01 [0.80, 0.82]`` or ``inconclusive, ~27 seeds`` can take two lines.
_BREAK = re.compile(r" (?=[\[(])|(?<=[a-z],) (?=~)")


@dataclass(frozen=True)
class _Line:
    """A row, or the title of a section if it has no cells."""

    name: str
    tags: tuple[str, ...] = ()
    cells: Mapping[str, str] | None = None
    below: str = ""
    dim: bool = False

    @property
    def tagged(self) -> str:
        return " ".join([self.name, *(f"({tag})" for tag in self.tags)])


class Sheet:
    """A table, drawn at the width it is given.

    If not all columns fit, cells are first broken into two lines where they can be; then the
    columns of the lowest rank are left out. If the required ones do not fit, each row becomes a
    name with one line per required column.

    Args:
        name: The title of the column of names.
        ranked: The titles of the other columns, the most important first; a column without a
            rank comes last.
        required: How many of them are always shown.
        left: The columns that are aligned at the left.
    """

    def __init__(
        self, name: str, ranked: Sequence[str], required: int, left: Collection[str] = ()
    ) -> None:
        self._name = name
        self._ranked = list(ranked)
        self._required = required
        self._left = left
        self._lines: list[_Line] = []

    def section(self, title: str) -> None:
        """Begin a part of the table."""
        self._lines.append(_Line(title))

    def row(
        self,
        name: str,
        cells: Mapping[str, str],
        *,
        tags: tuple[str, ...] = (),
        below: str = "",
        dim: bool = False,
    ) -> None:
        """Add a row.

        Args:
            name: Never cut.
            cells: Column title to text; the same columns in every row.
            tags: Shown in brackets after the name, or below it if there is no room.
            below: Shown on lines of its own below the row, wrapped at words.
            dim: Whether it stands back.
        """
        self._lines.append(_Line(name, tags, cells, below, dim))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it; called by rich."""
        yield from self._drawn(options.max_width)

    def _drawn(self, width: int) -> Iterator[Text]:
        rows = [line for line in self._lines if line.cells is not None]
        if not rows:
            return
        titles = [
            title for title in rows[0].cells or () if any((r.cells or {})[title] for r in rows)
        ]
        ranked = sorted(titles, key=self._rank)
        must = [title for title in ranked if self._rank(title) < self._required]
        for tagged in (True, False):
            for broken in (False, True):
                columns = _Columns(self._name, rows, tagged, broken, self._left)
                if columns.width(titles) <= width:
                    yield from columns.drawn(titles, self._lines, width)
                    return
            if columns.width(must) <= width:
                while columns.width(ranked) > width:
                    ranked.pop()
                shown = [title for title in titles if title in ranked]
                yield from columns.drawn(shown, self._lines, width)
                return
        yield from _stacked(self._lines, must, width)

    def _rank(self, title: str) -> int:
        return self._ranked.index(title) if title in self._ranked else len(self._ranked)


class _Columns:
    """The widths of columns, and the lines of a table that has some of them."""

    def __init__(
        self, name: str, rows: Sequence[_Line], tagged: bool, broken: bool, left: Collection[str]
    ) -> None:
        self._name = name
        self._tagged, self._broken, self._left = tagged, broken, left
        self._name_width = max(cell_len(text) for text in (name, *map(self._name_of, rows)))
        self._widths = {
            title: max(
                *(cell_len(part) for row in rows for part in self._parts(row, title)),
                *map(cell_len, title.split()),
            )
            for title in rows[0].cells or ()
        }

    def width(self, titles: Sequence[str]) -> int:
        return self._name_width + sum(len(_GAP) + self._widths[title] for title in titles)

    def drawn(self, titles: Sequence[str], lines: Sequence[_Line], width: int) -> Iterator[Text]:
        heads = [textwrap.wrap(title, self._widths[title]) for title in titles]
        height = max(map(len, heads), default=1)
        # Titles stand on the rule below them.
        heads = [[""] * (height - len(head)) + head for head in heads]
        names = [""] * (height - 1) + [self._name]
        yield from self._row_of(names, titles, heads, "bold")
        yield _line("─" * self.width(titles), "dim")
        for number, line in enumerate(lines):
            if line.cells is None:
                yield from _section(line, width, first=not number)
                continue
            cells = [self._parts(line, title) for title in titles]
            style = "dim" if line.dim else ""
            yield from self._row_of([self._name_of(line)], titles, cells, style)
            yield from _below(line, width, tagged=self._tagged)

    def _row_of(
        self,
        names: Sequence[str],
        titles: Sequence[str],
        cells: Sequence[Sequence[str]],
        style: str,
    ) -> Iterator[Text]:
        for n in range(max(len(names), *map(len, cells), 1)):
            text = _padded(names[n] if n < len(names) else "", self._name_width, left=True)
            for title, parts in zip(titles, cells, strict=True):
                part = parts[n] if n < len(parts) else ""
                text += _GAP + _padded(part, self._widths[title], left=title in self._left)
            yield _line(text.rstrip(), style)

    def _name_of(self, line: _Line) -> str:
        return line.tagged if self._tagged else line.name

    def _parts(self, line: _Line, title: str) -> list[str]:
        text = (line.cells or {})[title]
        return _BREAK.split(text) if self._broken else [text]


def _stacked(lines: Sequence[_Line], titles: Sequence[str], width: int) -> Iterator[Text]:
    """Each row as its name and a line for each of its cells."""
    for number, line in enumerate(lines):
        if line.cells is None:
            yield from _section(line, width, first=not number)
            continue
        style = "dim" if line.dim else ""
        yield from _text(wrapped(line.tagged, width, indent=_BELOW), style)
        for title in titles:
            if line.cells[title]:
                text = wrapped(f"{title}: {line.cells[title]}", width - 2, indent=_BELOW)
                yield from _text(textwrap.indent(text, _BELOW), style)
        yield from _below(line, width, tagged=True)


def _section(line: _Line, width: int, *, first: bool) -> Iterator[Text]:
    if not first:
        yield Text("")
    yield from _text(wrapped(line.name, width), "italic")


def _below(line: _Line, width: int, *, tagged: bool) -> Iterator[Text]:
    parts = [line.below] if line.below else []
    if line.tags and not tagged:
        parts.insert(0, ", ".join(line.tags))
    for text in parts:
        yield from _text(wrapped(text, width, first=_BELOW, indent=_BELOW), "dim")


def _text(lines: str, style: str) -> Iterator[Text]:
    for line in lines.split("\n"):
        yield _line(line, style)


def _line(text: str, style: str) -> Text:
    # A word that is longer than the width is left to the terminal.
    return Text(text, style=style, no_wrap=True, overflow="ignore")


def _padded(text: str, width: int, *, left: bool) -> str:
    blank = " " * (width - cell_len(text))
    return text + blank if left else blank + text
