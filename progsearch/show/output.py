"""Output of subcommands other than tables: data for scripts, and progsearch's own log."""

from __future__ import annotations

import codecs
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

# A minus sign must not become a question mark, which would change numbers.
_PLAIN = {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "→": ">", "·": "-", "±": "+-", "…": "..."}
_ERRORS = "progsearch.plain"


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


def say(text: str) -> None:
    """Print a line and flush it.

    `typer.echo` would write UTF-8 even if the terminal or pipe only accepts ASCII.
    """
    print(text, flush=True)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(document, indent=2, allow_nan=False))


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
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("progsearch")
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
