"""Parses text in which a character separates the cells: CSV, TSV and their like."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from progsearch.errors import TaskError
from progsearch.importing import collector_paused
from progsearch.tasks.sources.cells import MISSING_WORDS, has_decimal_commas
from progsearch.tasks.sources.table import Table

SEPARATORS = {",": "comma", ";": "semicolon", "|": "vertical bar", "\t": "tab"}

# csv.QUOTE_MINIMAL and csv.QUOTE_NONE
_Quoting = Literal[0, 3]
_Cell = TypeVar("_Cell")

# Excel's first line for itself.
_SAID = re.compile(r'"?sep=(.)"?(?=[\r\n])', re.IGNORECASE)
_FIRST_LINE = re.compile(r"[^\n]*\S[^\n]*")
_RULE = re.compile(r":?[-=]{3,}:?")
_JSON = re.compile(r'\s*\[?\s*\{\s*"[^"]*"\s*:')


@dataclass(frozen=True)
class _Parsed:
    """The cells of a text, with the line on which each row begins; the first row is the header."""

    rows: list[list[str]]
    lines: list[int]

    @property
    def width(self) -> int:
        return len(self.rows[0]) if self.rows else 0


def parse_delimited(source: str, text: str, usual: str, separator: str | None) -> Table:
    """The table in a text.

    The separator is the character that stands in the header and with which all rows fit it.
    Quotes are removed if they are the file's quoting: in a file that is separated by tabs they
    may be plain characters.

    Args:
        source: The file, for error messages.
        text: Its text.
        usual: The separator that its extension stands for, for a header of one column.
        separator: The one that the user gave, if any.

    Raises:
        TaskError: The text is no table, or several separators are possible.
    """
    given = "\t" if separator in ("tab", "\\t") else separator
    if given is not None and (len(given) != 1 or given in '"\r\n'):
        raise TaskError(
            f"--separator {separator!r} is not one character: give , ; | or tab, or another one"
        )
    if _JSON.match(text):
        raise TaskError(f"{source} is JSON, whatever its name says: rename it to end in .jsonl")
    said = _SAID.match(text)
    if said is not None:  # the line stays as an empty one, so that lines keep their numbers
        given, text = given or said[1], text[said.end() :]
    found = given or _separator_of(source, text, usual)
    parsed = _parsed(source, text, found)
    _check_begin(source, parsed)
    _check_fits(source, parsed, found)
    notes = []
    if given is None and found != usual:
        notes.append(f"{source}: the separator is the {SEPARATORS[found]}")
    return _by_column(source, parsed, found, notes)


def parse_unquoted(text: str) -> list[list[str]]:
    """The rows of a text separated by tabs, in which quotes are plain characters."""
    return _read("", text, "\t", csv.QUOTE_NONE).rows


def _separator_of(source: str, text: str, usual: str) -> str:
    first = _FIRST_LINE.search(text)
    header = "" if first is None else first[0]
    possible = [separator for separator in SEPARATORS if separator in header]
    if len(possible) < 2:
        return possible[0] if possible else usual
    fitting = []
    for separator in possible:
        try:
            parsed = _parsed(source, text, separator)
        except TaskError:
            continue
        if parsed.width > 1 and _fits(parsed):
            fitting.append(separator)
    if len(fitting) > 1:
        names = " or the ".join(SEPARATORS[separator] for separator in fitting)
        raise TaskError(
            f"{source}: the separator may be the {names}: give it with --separator, such as "
            f"--separator '{_typed(fitting[0])}'"
        )
    if fitting:
        return fitting[0]
    return usual if usual in possible else max(possible, key=header.count)


def _typed(separator: str) -> str:
    return "tab" if separator == "\t" else separator


def _parsed(source: str, text: str, separator: str) -> _Parsed:
    if separator != "\t":
        return _read(source, text, separator, csv.QUOTE_MINIMAL)
    plain = _read(source, text, separator, csv.QUOTE_NONE)
    if '"' not in text or (_fits(plain) and not _are_quoting(plain)):
        return plain
    if _fits(plain):
        return _read(source, text, separator, csv.QUOTE_MINIMAL)
    # A tab or a line break within quotes: without them, the rows do not fit the header.
    try:
        quoted = _read(source, text, separator, csv.QUOTE_MINIMAL)
    except TaskError:
        return plain
    return quoted if _fits(quoted) else plain


def _are_quoting(plain: _Parsed) -> bool:
    """Whether the quotes of a text read without quoting are quoting, and not plain characters.

    Programs quote the header, whole columns or only the cells that need it. One cell with another
    use of quotes shows that they are plain characters, because such a file would not be valid.
    """
    cells = [cell for row in plain.rows for cell in row if cell.startswith('"')]
    if not cells or not all(_is_quoted(cell) for cell in cells):
        return False
    if all('""' in cell[1:-1] for cell in cells):
        return True
    columns = [plain.rows[0], *zip(*plain.rows[1:], strict=False)]
    filled = ([c for c in column if c and c not in MISSING_WORDS] for column in columns)
    return any(column and all(c.startswith('"') for c in column) for column in filled)


def _is_quoted(cell: str) -> bool:
    inner = cell[1:-1]
    return len(cell) > 1 and cell.endswith('"') and '"' not in inner.replace('""', "")


def _read(source: str, text: str, separator: str, quoting: _Quoting) -> _Parsed:
    csv.field_size_limit(sys.maxsize)  # the default refuses texts of more than 131,072 characters
    blank_follows = quoting == csv.QUOTE_MINIMAL and _blank_follows(text, separator)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=quoting,
        strict=True,
        skipinitialspace=blank_follows,
    )
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        # Made in a row, hundreds of thousands of lists would be searched for rings repeatedly.
        with collector_paused():
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(line)
                line = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            reason = "begins a quoted text that does not end"
        elif "expected after" in str(error):
            reason = "has a quote inside a quoted text"
        else:
            reason = f"cannot be read ({error})"
        raise TaskError(
            f'{source}, line {line} {reason}: double the quotes inside a quoted text ("") and '
            "end it with one"
        ) from None
    return _Parsed(rows, lines)


def _blank_follows(text: str, separator: str) -> bool:
    """Whether each separator of the header is followed by a blank, and quotes come after it."""
    names = text[: text.find("\n")].split(separator)[1:]
    return separator != " " and bool(names) and all(name.startswith(" ") for name in names)


def _fits(parsed: _Parsed) -> bool:
    width = parsed.width
    return all(len(row) == width or _is_padded(row, width) for row in parsed.rows)


def _is_padded(row: Sequence[str], width: int) -> bool:
    return len(row) > width and not any(cell.strip() for cell in row[width:])


def _check_begin(source: str, parsed: _Parsed) -> None:
    """Refuse files that are no tables or have another kind of quotes."""
    rows = parsed.rows
    if rows and rows[0][0].startswith("__label__"):
        raise TaskError(
            f"{source} is in the format of fastText: write the labels and the texts as two "
            "columns, with names in the first row"
        )
    rule = [cell.strip() for cell in rows[1] if cell.strip()] if len(rows) > 1 else []
    if rule and all(map(_RULE.fullmatch, rule)):
        raise TaskError(f"{source} is a table of Markdown or of plain text: save it as CSV")
    if len(rows) > 1 and all(_are_single_quoted(row) for row in rows[1:]):
        raise TaskError(
            f"{source} has texts between single quotes, which stay a part of them: quote with "
            '" instead, or not at all'
        )


def _are_single_quoted(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if cell]
    return len(filled) > 1 and all(cell[0] == cell[-1] == "'" != cell for cell in filled)


def _check_fits(source: str, parsed: _Parsed, separator: str) -> None:
    width = parsed.width
    for row, line in zip(parsed.rows, parsed.lines, strict=True):
        if len(row) == width or _is_padded(row, width):
            continue
        if width == 1:
            what_to_do = (
                "remove the lines before the names of the columns, or give the separator with "
                "--separator"
            )
        elif len(row) < width:
            what_to_do = "complete or remove the line"
        else:
            what_to_do = "quote texts that contain the separator"
        fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
        raise TaskError(
            f"{source}, line {line} has {fields}, but the header has {parsed.width} "
            f"(separated by the {SEPARATORS.get(separator, repr(separator))}): {what_to_do}"
        )


def _by_column(source: str, parsed: _Parsed, separator: str, notes: list[str]) -> Table:
    width = parsed.width
    filled = [any(map(str.strip, row)) for row in parsed.rows]
    if not any(filled):
        return Table(source, {})
    n_empty = filled.count(False)
    if n_empty:  # what Excel writes for rows that once had values
        notes.append(f"{source}: {n_empty} rows without any value are left out")
    rows, lines = parsed.rows, parsed.lines
    if n_empty:
        rows = [row for row, has_value in zip(rows, filled, strict=True) if has_value]
        lines = [line for line, has_value in zip(lines, filled, strict=True) if has_value]
    body = rows[1:]
    cells = [[row[place] for row in body] for place in range(width)]
    columns = named_columns(source, rows[0], cells)
    if separator == ";":
        for name, values in columns.items():
            if has_decimal_commas(values):
                points = str.maketrans({".": "", ",": "."})
                columns[name] = [value.translate(points) for value in values]
                notes.append(f"{source}: decimal commas in column {name} are read as points")
    return Table(source, columns, lines=tuple(lines[1:]), has_header=True, notes=tuple(notes))


def named_columns(
    source: str, header: Sequence[str], cells: Sequence[list[_Cell]]
) -> dict[str, list[_Cell]]:
    """The columns by their names without blanks around; an empty one without a name is left out.

    Raises:
        TaskError: Two have the same name.
    """
    columns: dict[str, list[_Cell]] = {}
    for place, (given, values) in enumerate(zip(header, cells, strict=True), 1):
        if not given.strip() and not any(str(v).strip() for v in values if v is not None):
            continue
        name = given.strip() or nameless(place)
        if name in columns:
            raise TaskError(
                f"{source} has two columns named {name!r}: the first line must name each column "
                "once"
            )
        columns[name] = values
    return columns


def nameless(place: int) -> str:
    """What a column without a name is called; the place is counted from 1."""
    return f"column {place}"
