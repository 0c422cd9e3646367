"""Names arguments of Python functions, instead of options of the command line, in errors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from progsearch.errors import ConfigError, ProgsearchError
from progsearch.words import RecipeOption, recipe_options

# Options of commands that are no words of a search, but arguments of its functions.
_OTHERS = {"studies-dir": "studies_dir", "pick": "picks", "margin": "margin"}
# Commands on a study, by the function that does the same.
_CALLS = {"resume": "resume", "confirm": "confirm", "report": "load_study"}
# A command in backticks, or an option with what follows it, which may be its value.
_OPTION = re.compile(
    r"`(?P<command>[^`]*)`|(?<![\w-])--(?P<flag>[a-z][a-z-]*[a-z])"
    r"(?: (?P<value>'[^']*'|[0-9][0-9.e-]*(?<![.,])|[A-Za-z0-9_/-]+))?"
)
_WORDS = ("a", "and", "as", "for", "if", "is", "or", "such", "that", "to", "with")


@contextmanager
def naming_arguments() -> Iterator[None]:
    """While active, the errors of progsearch name arguments instead of options."""
    try:
        yield
    except ConfigError as error:
        error.source = in_python(error.source)
        error.problems = [(in_python(path), in_python(text)) for path, text in error.problems]
        error.args = (in_python(str(error)),)
        raise
    except ProgsearchError as error:
        error.args = (in_python(str(error)),)
        raise


def in_python(message: str) -> str:
    """A message with ``type='multilabel'`` for ``--type multilabel``, and so on.

    Commands on a study become calls; others have no function and stay as they are.
    """
    return _OPTION.sub(_replaced, message)


def _replaced(match: re.Match[str]) -> str:
    flag, value = match["flag"], match["value"]
    if flag is None:
        return _call_of(match["command"]) or match[0]
    rest = "" if value is None else f" {value}"
    options = {option.flag.removeprefix("--"): option for option in recipe_options()}
    off = options.get(flag.removeprefix("no-"))
    if flag in _OTHERS:
        return _OTHERS[flag] + rest
    if off is not None and off.kind is bool:
        return f"{off.name}={flag in options}{rest}"
    if flag not in options:
        return match[0]
    option = options[flag]
    if value is None or not _is_value(option, value):
        return option.name + rest
    is_text = option.kind not in (int, float) and not value.startswith("'")
    return f"{option.name}={value!r}" if is_text else f"{option.name}={value}"


def _call_of(command: str) -> str | None:
    """The call that does what a command on a study does; None if there is none."""
    try:
        program, name, study, *others = shlex.split(command)
    except ValueError:
        return None
    if program != "progsearch" or name not in _CALLS or study.startswith("-"):
        return None
    pairs = zip(others[::2], others[1::2], strict=False)
    given = [
        f"{flag.removeprefix('--').replace('-', '_')}={value if value.isdigit() else repr(value)}"
        for flag, value in pairs
    ]
    return f"`{_CALLS[name]}({', '.join([repr(study), *given])})`"


def _is_value(option: RecipeOption, word: str) -> bool:
    """Whether the word after an option in a sentence is its value."""
    # Words in capitals stand for any value.
    if word.startswith("'") or word.isupper():
        return True
    if option.kind in (int, float):
        return word[0].isdigit()
    match option.name:
        case "type":
            from progsearch.tasks.types import TASK_TYPES

            return word in TASK_TYPES.names()
        case "encoding":
            return word not in _WORDS
        case "task" | "task_metric" | "positive_class":
            return word not in _WORDS
    return word in option.choices
