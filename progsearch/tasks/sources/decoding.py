"""Turns the bytes of a file into text: compression and encoding."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from pathlib import Path

from progsearch.errors import TaskError

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")

# UTF-32 first: its mark for the little-endian order begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = ("cp1252", "iso8859-1", "iso8859-15")
_SHOWN = 20
_FEW = 200
_SIGNATURES = (
    (b"\x1f\x8b", "compressed with gzip", ".gz"),
    (b"\xfd7zXZ\x00", "compressed with xz", ".xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", ".zst"),
    (b"PAR1", "a Parquet file", ".parquet"),
    (b"PK\x03\x04", "an Excel or ZIP file", ".xlsx"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", ".xls"),
)


def content_of(path: Path) -> bytes:
    """The bytes of a file, decompressed if its last extension says so.

    Raises:
        TaskError: It is not whole, or not compressed in that way.
        OSError: It cannot be read.
    """
    raw = path.read_bytes()
    try:
        match path.suffix.lower():
            case ".gz":
                return gzip.decompress(raw)
            case ".bz2":
                return bz2.decompress(raw)
            case ".xz":
                return lzma.decompress(raw)
            case ".zst":
                import pyarrow as pa

                with pa.input_stream(pa.BufferReader(raw), compression="zstd") as stream:
                    content: bytes = stream.read()
                return content
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        raise TaskError(
            f"{path} is damaged or not a {path.suffix} file: compress it again, or give it "
            "uncompressed"
        ) from None
    return raw


def text_of(path: Path, raw: bytes, encoding: str | None) -> str:
    """The text of a file. An encoding is never guessed.

    Args:
        path: The file, for error messages.
        raw: Its bytes.
        encoding: The encoding that the user gave; by default that of the file's byte-order mark,
            else UTF-8.

    Raises:
        TaskError: The bytes are not text in that encoding; the message says what to do.
    """
    for signature, kind, suffix in _SIGNATURES:
        if raw.startswith(signature):
            raise TaskError(
                f"{path} is {kind}, whatever its name says: rename it to end in {suffix}"
            )
    _check_is_data(path, raw)
    text = _in_utf(path, raw) if encoding is None else _as_told(path, raw, encoding)
    if "\0" in text:
        raise _nul(path, text.count("\n", 0, text.index("\0")) + 1)
    return text.removeprefix("\ufeff")


def _check_is_data(path: Path, raw: bytes) -> None:
    """Refuse what is often saved in place of a file."""
    begin = raw[:100].lstrip().lower()
    if begin.startswith((b"<!doctype html", b"<html")):
        raise TaskError(f"{path} is a web page, not data: download the file itself")
    if begin.startswith(b"version https://git-lfs"):
        raise TaskError(
            f"{path} is a pointer of Git LFS, not data: fetch the file with git lfs pull"
        )


def _in_utf(path: Path, raw: bytes) -> str:
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    try:
        return raw.decode(marked or "utf-8")
    except UnicodeDecodeError as error:
        if marked in ("utf-16", "utf-32"):
            raise TaskError(
                f"{path} begins as {marked.upper()} but does not go on so: convert it to UTF-8"
            ) from None
        if b"\0" in raw:
            raise _nul(path, _line_of(raw, raw.index(b"\0"))) from None
        raise TaskError(
            f"{path}, line {_line_of(raw, error.start)} is not UTF-8: say what it is, such as "
            "--encoding windows-1252 (what Excel writes in western Europe and America), "
            "windows-1251 (Cyrillic), gb18030 (Chinese) or shift_jis (Japanese), or convert the "
            "file to UTF-8"
        ) from None


def _as_told(path: Path, raw: bytes, encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise TaskError(
            f"there is no encoding {encoding!r}: give --encoding utf-8, utf-16, latin-1, "
            "windows-1252 or another one that Python knows"
        ) from None
    if not name.startswith("utf"):
        # Another encoding has no mark, and would read that of UTF-8 as three letters.
        raw = raw.removeprefix(codecs.BOM_UTF8)
        if not raw.isascii() and _is_utf8(raw):
            raise TaskError(
                f"{path} is UTF-8 and would be misread as {encoding}: leave --encoding out, and "
                "convert the other files to UTF-8 if they are not"
            )
    try:
        text = raw.decode(name)
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{path}, line {_line_of(raw, error.start)} is not {encoding}: give another "
            "--encoding, or convert the file to UTF-8"
        ) from None
    except (LookupError, UnicodeError):  # base64 and its like decode no text
        raise TaskError(
            f"{path} cannot be read as {encoding}: give another --encoding, or convert it to UTF-8"
        ) from None
    if name in _WESTERN:
        _check_western(path, text, encoding)
    return text


def _check_western(path: Path, text: str, encoding: str) -> None:
    """Refuse text whose letters beyond ASCII stand in rows, as in no western language.

    These encodings have a character for nearly each byte, so that they also read Chinese.
    """
    beyond = sum(len(run) for run in re.findall(r"[^\x00-\x7f]+", text))
    runs = [run for run in re.findall(r"[^\x00-\x7f]{4,}", text) if len(set(run)) > 2]
    if 2 * sum(map(len, runs)) > max(beyond, _FEW):
        raise TaskError(
            f"{path} is probably not {encoding}: in it, the file has words such as "
            f"{runs[0][:_SHOWN]!r}; give another --encoding, such as windows-1251 (Cyrillic), "
            "gb18030 (Chinese) or shift_jis (Japanese), or convert the file to UTF-8"
        )


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _nul(path: Path, line: int) -> TaskError:
    return TaskError(
        f"{path}, line {line} has a NUL character: if the file is UTF-16, give --encoding "
        "utf-16-le (or utf-16-be); else remove it"
    )


def _line_of(raw: bytes, offset: int) -> int:
    return raw.count(b"\n", 0, offset) + 1
