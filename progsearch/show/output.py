"""Output of subcommands other than tables: data for scripts, and progsearch's own log."""

from __future__ import annotations

import codecs
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, Any

from progsearch.show.wrapping import command_lines, width_of, wrapped

if TYPE_CHECKING:
    from rich.console import Console

# A minus sign must not become a question mark, which would change numbers.
_PLAIN = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "→": ">",
    "·": "-",
    "±": "+-",
    "…": "...",
    "─": "-",
}
_ERRORS = "progsearch.plain"
# Tables in a file or a pipe have no terminal whose width they must fit.
_WIDTH_OF_FILES = 200


def any_encoding(*streams: object) -> None:
    """Make streams replace characters missing in their encoding by ASCII, at worst by ``?``."""
    codecs.register_error(_ERRORS, _plain)
    for stream in streams:
        # Tests and notebooks replace the streams by objects that accept any text.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in missing), error.end


def console(file: IO[str] | None = None) -> Console:
    """A console for ``file`` (by default stdout)."""
    from rich.console import Console

    made = Console(file=file, highlight=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = width_of(made.file) or _WIDTH_OF_FILES
    return made


def say(text: str) -> None:
    """Print a line and flush it; in a terminal it is wrapped at words.

    `typer.echo` would write UTF-8 even if the terminal or pipe only accepts ASCII.
    """
    print(wrapped(text, width_of(sys.stdout), indent="  "), flush=True)


def say_command(label: str, command: str) -> None:
    """Print a command to copy."""
    print(command_lines(label, command, width_of(sys.stdout)), flush=True)


def say_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names with what they mean, one below the other."""
    longest = max((len(name) for name, _ in pairs), default=0)
    width = width_of(sys.stdout)
    for name, about in pairs:
        if width is not None and longest + 2 > width / 2:
            print(name)
            print(wrapped(about, width, first="    ", indent="    "), flush=True)
        else:
            indent = " " * (longest + 2)
            print(wrapped(about, width, first=f"{name:<{longest}}  ", indent=indent), flush=True)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(document, indent=2, allow_nan=False))


class _Wrapping(logging.Formatter):
    """Breaks log lines at words where stderr is a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines of a record."""
        return wrapped(super().format(record), width_of(sys.stderr), indent="  ")


@contextmanager
def log_shown(level: int = logging.INFO) -> Iterator[None]:
    """While active, progsearch's own log goes to stderr; begin before the libraries are imported.

    The libraries' progress bars and advice stay off the terminal unless the user has set
    otherwise.
    """
    for name, value in (
        ("TRANSFORMERS_VERBOSITY", "error"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("HF_DATASETS_DISABLE_PROGRESS_BARS", "1"),
        ("TOKENIZERS_PARALLELISM", "false"),
    ):
        os.environ.setdefault(name, value)
    handler = logging.StreamHandler()
    handler.setFormatter(_Wrapping("%(message)s"))
    logger = logging.getLogger("progsearch")
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
