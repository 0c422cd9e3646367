"""The options of a recipe on the command line, made from its fields."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from progsearch.config import Recipe, read_yaml
from progsearch.words import RecipeOption, recipe_options, recipe_with


def with_recipe_options(
    wanted: Callable[[RecipeOption], bool] = lambda option: True,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace the parameter ``given`` of a command by the options of a recipe.

    The command gets the typed options in ``given``, a dict by name for `recipe_of`.

    Args:
        wanted: Which of them the command has.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = []
        parameters: list[inspect.Parameter] = []
        for own in inspect.signature(command, eval_str=True).parameters.values():
            if own.name == "given":
                made = [_parameter(option) for option in recipe_options() if wanted(option)]
                names = [parameter.name for parameter in made]
                parameters += made
            else:
                parameters.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY))

        @functools.wraps(command)
        def run(**values: Any) -> None:
            given = {name: values.pop(name) for name in names}
            command(given=given, **values)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {}
        return run

    return decorate


def recipe_of(file: Path | None, options: Mapping[str, Any]) -> Recipe:
    """The recipe of a command line: options override ``file``, which overrides the defaults.

    Args:
        file: A recipe file, if one was given.
        options: Options by name, as typer parsed them. Those that are not given (None or an
            empty list) are skipped.

    Raises:
        ConfigError: With every mistake; those of an option carry the option's name.
        TaskError: Neither the file nor the options say what to train on.
    """
    data = {} if file is None else read_yaml(file)
    source = "the command line" if file is None else str(file)
    return recipe_with(data, options, source, lambda option: option.flag)


def _parameter(option: RecipeOption) -> inspect.Parameter:
    """The option as a parameter of a typer command; None if it is not given."""
    flag, kind = option.flag, option.kind
    if kind is bool:
        given = typer.Option(
            f"{flag}/--no-{flag[2:]}",
            help=option.help,
            show_default=False,
            rich_help_panel=option.group,
        )
    else:
        metavar = option.option.metavar.format(choices="|".join(option.choices))
        given = typer.Option(flag, metavar=metavar, help=option.help, rich_help_panel=option.group)
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, given],
    )
