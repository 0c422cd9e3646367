"""Reads data files as tables: CSV and its like, CoNLL, JSON, Parquet and Excel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from os.path import isdir, isfile
from pathlib import Path
from typing import Literal

from progsearch.errors import TaskError
from progsearch.paths import did_you_mean, reason_of
from progsearch.tasks.sources.binary_files import read_excel, read_parquet
from progsearch.tasks.sources.cells import MISSING_WORDS
from progsearch.tasks.sources.conll import is_conll, parse_conll
from progsearch.tasks.sources.decoding import COMPRESSED, content_of, text_of
from progsearch.tasks.sources.delimited import parse_delimited, parse_unquoted
from progsearch.tasks.sources.json_files import parse_json
from progsearch.tasks.sources.table import Table

__all__ = ["Table", "TextFiles", "format_of", "read_glue_tsv", "read_table", "read_text"]

TextFiles = Literal["table", "text", "words"]
"""What a ``.txt`` file holds: a table, one text, or a word and its tag per line."""

# The usual separator of each extension.
DELIMITED = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
CONLL = (".conll", ".bio", ".iob", ".iob2")
TEXT = (*DELIMITED, *CONLL, ".jsonl", ".json")
EXCEL = (".xlsx",)
_KNOWN = (*TEXT, ".parquet", *EXCEL)


def read_table(
    path: str | Path,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    has_words: bool = False,
) -> Table:
    """Read a data file; its extension determines the format. Values stay what the file says.

    A ``.txt`` or ``.tsv`` file is a CoNLL file if each of its lines ends with an IOB tag.

    Args:
        path: The file, which may be compressed: ``.csv.gz``.
        separator: What separates the cells of CSV and its like, if not recognised.
        encoding: The encoding of a text file, if it is neither UTF-8 nor says so itself.
        sheet: The sheet of an Excel file, if it has several.
        has_words: Whether the user says that each word has a tag, so that such a file is a CoNLL
            file with any tags.

    Raises:
        TaskError: The file is missing, empty or damaged, or its format is not known.
    """
    path = Path(path)
    _check_file(path)
    suffix = format_of(path)
    if suffix not in _KNOWN:
        raise TaskError(
            f"{path} has an unknown extension: convert it to one of {', '.join(_KNOWN)} and "
            f"rename it; {', '.join(COMPRESSED)} may follow"
        )
    with _readable(path):
        raw = content_of(path)
    if suffix in EXCEL:
        table = read_excel(path, raw, sheet)
    else:
        table = _parsed(path, suffix, raw, separator, encoding, has_words=has_words)
    if not len(table):
        raise TaskError(f"{path} has no rows: give a file with examples")
    return replace(table, missing_words=MISSING_WORDS)


def read_text(path: str | Path, *, encoding: str | None = None) -> Table:
    """A file of text as a table of one row, with the column ``text``.

    Args:
        path: The file, which may be compressed.
        encoding: As for `read_table`.

    Raises:
        TaskError: The file is missing, empty or damaged.
    """
    path = Path(path)
    _check_file(path)
    with _readable(path):
        text = text_of(path, content_of(path), encoding)
    if not text.strip():
        raise TaskError(f"{path} has no text: give a file with some")
    return Table(str(path), {"text": [text]})


def _check_file(path: Path) -> None:
    with _readable(path), suppress(FileNotFoundError, NotADirectoryError):
        path.stat()
    if isdir(path):
        raise TaskError(f"{path} is a directory: name a file in it")
    if not isfile(path):
        hint = did_you_mean(path) or ": correct the path"
        raise TaskError(f"there is no file {path}{hint}")


def format_of(path: str | Path) -> str:
    """The extension of a file that says its format, without that of its compression."""
    path = Path(path)
    if path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path.suffix.lower()


def _parsed(
    path: Path,
    suffix: str,
    raw: bytes,
    separator: str | None,
    encoding: str | None,
    *,
    has_words: bool,
) -> Table:
    if suffix == ".parquet":
        return read_parquet(path, raw)
    text = text_of(path, raw, encoding)
    if suffix in CONLL or (suffix in (".txt", ".tsv") and (has_words or is_conll(text))):
        return parse_conll(str(path), text)
    if suffix in DELIMITED:
        return parse_delimited(str(path), text, DELIMITED[suffix], separator)
    return parse_json(str(path), text)


def read_glue_tsv(path: Path, header: Sequence[str] = ()) -> Table:
    """Read a file of the GLUE distribution.

    As in the official reader, quotes are plain characters and incomplete rows are left out (QQP
    has three).

    Args:
        path: The file.
        header: Column names, if the file has none.

    Raises:
        TaskError: The file is missing, empty or not UTF-8.
    """
    if not isfile(path):
        raise TaskError(f"there is no file {path}: correct --data-dir")
    with _readable(path):
        rows = parse_unquoted(text_of(path, path.read_bytes(), None))
    names = list(header) or next(iter(rows), [])
    rows = [row for row in rows[0 if header else 1 :] if len(row) >= len(names)]
    if not rows:
        raise TaskError(f"{path} has no rows: give the file of the GLUE distribution")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise TaskError(
            f"{path} has two columns named {min(twice)!r}: the first line must name each column "
            "once"
        )
    return Table(str(path), {name: [row[i] for row in rows] for i, name in enumerate(names)})


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TaskError(
            f"{path} cannot be read ({reason_of(error)}): correct the path, or make the file "
            "readable for this user"
        ) from None
