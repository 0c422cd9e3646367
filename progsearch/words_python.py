"""Names arguments of Python functions, instead of options of the command line, in errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from progsearch.errors import ConfigError, ProgsearchError
from progsearch.words import RecipeOption, recipe_options

# Options of commands that are no words of a search, but arguments of its functions.
_OTHERS = {"studies-dir": "studies_dir", "pick": "picks", "margin": "margin"}
# An option with what follows it, which may be its value; commands in backticks stay as they are.
_OPTION = re.compile(
    r"`[^`]*`|(?<![\w-])--(?P<flag>[a-z][a-z-]*[a-z])"
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
    """A message with ``type='multilabel'`` for ``--type multilabel``, and so on."""
    return _OPTION.sub(_replaced, message)


def _replaced(match: re.Match[str]) -> str:
    flag, value = match["flag"], match["value"]
    if flag is None:
        return match[0]
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


def _is_value(option: RecipeOption, word: str) -> bool:
    """Whether the word after an option in a sentence is its value."""
    if word.startswith("'"):
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
