"""Help and signature of a function that takes the words of a search."""

from __future__ import annotations

import functools
import inspect
import operator
import textwrap
from collections.abc import Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin

from progsearch.words import recipe_options


def signature_with_words(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of ``function`` with the words in the place of its ``**words``."""
    own = inspect.signature(function)
    *before, last = own.parameters.values()
    assert last.kind is inspect.Parameter.VAR_KEYWORD, "the words come last"
    keyword = inspect.Parameter.KEYWORD_ONLY
    words = [
        inspect.Parameter(
            option.name, keyword, default=None, annotation=_plain(option.field.annotation) | None
        )
        for option in recipe_options()
    ]
    return own.replace(parameters=[*before, *words])


def help_with_words(function: Callable[..., Any]) -> str:
    """The docstring of ``function`` with the meaning of each word."""
    lines = (
        textwrap.fill(f"{option.name}: {option.help}", 94, subsequent_indent=" " * 4)
        for option in recipe_options()
    )
    words = textwrap.indent("\n".join(lines), " " * 4)
    return f"{inspect.cleandoc(function.__doc__ or '')}\n\nWords:\n{words}\n"


def _plain(annotation: Any) -> Any:
    """A type without what only pydantic reads in it."""
    parts = tuple(map(_plain, get_args(annotation)))
    if hasattr(annotation, "__metadata__"):
        return parts[0]
    if get_origin(annotation) is tuple:
        return tuple[parts]  # type: ignore[valid-type]
    if get_origin(annotation) in (Union, UnionType):
        return functools.reduce(operator.or_, parts)
    return annotation
