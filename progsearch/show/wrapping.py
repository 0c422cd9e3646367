"""Breaks text at words to the width of a terminal."""

from __future__ import annotations

import os
import re
import textwrap
from typing import IO

_NARROWEST = 20
_USUAL = 80
# What stays on one line: a number and its unit, a metric and its value, an interval, a number with
# its share, and a command in backquotes.
_UNITS = re.compile(
    r"(?<=\d) (?=(?:%|pt|s|min|h|[GM]iB)(?:\W|$))|(?<=±) (?=\d)|(?<=\w) (?=\d\.\d{4}\b)"
)
_WHOLE = re.compile(r"`[^`]+`|\[[^\]]+\]|\([\d,]+, [\d.]+ %\)")
_GLUE = "\N{NO-BREAK SPACE}"


def width_of(stream: IO[str]) -> int | None:
    """The width of the terminal that ``stream`` writes to; COLUMNS, if it is set, counts first.

    Returns:
        None for a file or a pipe, whose lines may have any length.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return max(_NARROWEST, int(given))
    if not stream.isatty():
        return None
    try:
        return max(_NARROWEST, os.get_terminal_size(stream.fileno()).columns or _USUAL)
    except (OSError, ValueError):
        return _USUAL


def wrapped(text: str, width: int | None, *, first: str = "", indent: str = "") -> str:
    """``text`` in lines of at most ``width`` characters; longer words stay whole.

    Args:
        text: One or more lines; each keeps its own indentation.
        width: None leaves the lines as they are.
        first: Stands before the first line.
        indent: Stands before each further line that a line is broken into.
    """
    if width is None:
        return first + text
    lines = []
    for number, line in enumerate(text.split("\n")):
        content = line.lstrip(" ")
        own = " " * (len(line) - len(content))
        lines += textwrap.wrap(
            _glued(content, width - len(own) - len(indent)),
            width,
            initial_indent=own if number else first + own,
            subsequent_indent=own + indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(lines).replace(_GLUE, " ")


def command_lines(label: str, command: str, width: int | None) -> str:
    """``label: command`` on one line, or the command broken so that it can still be copied."""
    if width is None or len(label) + 2 + len(command) <= width:
        return f"{label}: {command}"
    return f"{label}:\n{broken_command(command, width)}"


def broken_command(command: str, width: int) -> str:
    """A command, indented by two; on several lines that end with a backslash if it is long."""
    indent = "  "
    if len(indent) + len(command) <= width:
        return indent + command
    lines = [indent]
    # An option stays with its value.
    options = re.split(" (?=--)", command)
    fitting = [[o] if len(o) + 6 <= width else o.split(" ") for o in options]
    for word in (word for words in fitting for word in words):
        # Two more characters for the backslash at the end.
        if not lines[-1].isspace() and len(lines[-1]) + len(word) + 3 > width:
            lines.append(indent * 2)
        lines[-1] += word if lines[-1].isspace() else f" {word}"
    return " \\\n".join(lines)


def _glued(text: str, width: int) -> str:
    def whole(found: re.Match[str]) -> str:
        return found[0].replace(" ", _GLUE) if len(found[0]) <= width else found[0]

    return _UNITS.sub(_GLUE, _WHOLE.sub(whole, text))
