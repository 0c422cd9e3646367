"""The options of a recipe, made from its fields, and how they become a recipe."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import exists, expanduser
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from progsearch.config import METHODS, SAMPLERS, Option, Recipe, parse, read_yaml
from progsearch.errors import ConfigError, TaskError
from progsearch.models.references import ALIASES
from progsearch.registry import Registry

# The registries of fields that take registered names; other fields list values in their type.
_REGISTRIES: dict[str, Registry[Any]] = {"methods": METHODS, "sampler": SAMPLERS}


@dataclass(frozen=True)
class RecipeOption:
    """An option of a recipe.

    Attributes:
        name: Its name, with underscores.
        place: Its field in the recipe, such as ``("task", "data_dir")``.
        field: The field.
        option: The option settings of the field.
        group: The heading of its group in the help.
    """

    name: str
    place: tuple[str, ...]
    field: FieldInfo
    option: Option
    group: str

    @property
    def flag(self) -> str:
        """The option as typed on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def parameter(self) -> inspect.Parameter:
        """The option as a parameter of a typer command; None if it is not given."""
        kind = self._kind()
        if kind is bool:
            given = typer.Option(
                f"{self.flag}/--no-{self.flag[2:]}",
                help=self._filled(),
                show_default=False,
                rich_help_panel=self.group,
            )
        else:
            metavar = self.option.metavar.format(choices="|".join(self._choices()))
            given = typer.Option(
                self.flag, metavar=metavar, help=self._filled(), rich_help_panel=self.group
            )
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, given],
        )

    def value(self, given: Any) -> Any:
        """The recipe's value for the typed value."""
        if self.option.form == "duration":
            return seconds_of(given, self.flag)
        if self.option.form == "list":
            return [part.strip() for part in given.split(",")]
        return given

    def _filled(self) -> str:
        default = self.field.default
        if isinstance(default, tuple):
            default = " and ".join(default)
        return self.option.help.format(default=default, choices=", ".join(self._choices()))

    def _kind(self) -> Any:
        if self.option.form == "repeated":
            return list[str]
        if self.option.form in ("list", "duration", "share"):
            return str
        found = _without_none(self.field.annotation)
        return found if found in (bool, int, float) else str

    def _choices(self) -> Sequence[str]:
        if self.place[-1] in _REGISTRIES:
            return _REGISTRIES[self.place[-1]].names()
        found = _without_none(self.field.annotation)
        if get_origin(found) is tuple:
            found = get_args(found)[0]
        return get_args(found) if get_origin(found) is Literal else ()


@functools.cache
def recipe_options() -> tuple[RecipeOption, ...]:
    """All options of a recipe, in the order of the help."""
    found = list(_options_of(Recipe, ()))
    ordered = [option for option in found if option.option.after is None]
    # In reverse order, so that several options after the same one keep their order.
    for option in reversed(found):
        if option.option.after is not None:
            names = [other.name for other in ordered]
            ordered.insert(names.index(option.option.after) + 1, option)
    return tuple(ordered)


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
                made = [option.parameter() for option in recipe_options() if wanted(option)]
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
    if not isinstance(data, dict):
        raise ConfigError(str(file), [("", "is not a recipe: it must hold keys such as task")])
    flags = {}
    for option in recipe_options():
        value = options.get(option.name)
        if value not in (None, [], ()):
            flags[".".join(option.place)] = option.flag
            _put(data, option.place, option.value(value))
    task = data.setdefault("task", {})
    if isinstance(task, dict) and "name" not in task and "train_file" in task:
        task["name"] = Path(str(task["train_file"])).stem
    if file is None and not task.get("name"):
        raise TaskError(
            "there is nothing to train on; give --task NAME (`progsearch ls tasks` lists them), "
            "--train-file FILE or a recipe file"
        )
    try:
        recipe = parse(Recipe, data, str(file))
    except ConfigError as error:
        raise _with_flags(error, flags, file) from None
    return _with_absolute_paths(recipe)


def _with_absolute_paths(recipe: Recipe) -> Recipe:
    """The recipe with absolute local paths, because workers run in other folders."""
    paths = (o.place[-1] for o in recipe_options() if o.option.form == "path")
    files = {name: getattr(recipe.task, name) for name in paths}
    task = {name: _absolute(path) for name, path in files.items() if path is not None}
    return recipe.model_copy(
        update={
            "task": recipe.task.model_copy(update=task),
            "model": recipe.model if recipe.model in ALIASES else _if_there(recipe.model),
            "space": _if_there(recipe.space),
        }
    )


def seconds_of(duration: str, flag: str) -> float:
    """Seconds of a duration such as ``2h``, ``30m``, ``90s`` or ``1h30m``.

    Raises:
        ConfigError: It has another form; ``flag`` is the option that gave it.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", duration.strip())
    if not duration or match is None:
        raise ConfigError(flag, [("", f"write it like 2h, 30m or 90s, got {duration!r}")])
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(3600 * hours + 60 * minutes + seconds)


def _options_of(model: type[BaseModel], place: tuple[str, ...]) -> Iterator[RecipeOption]:
    group = ""
    for name, field in model.model_fields.items():
        for option in field.metadata:
            if isinstance(option, Option):
                group = option.group or group
                yield RecipeOption(option.name or name, (*place, name), field, option, group)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _options_of(field.annotation, (*place, name))


def _without_none(annotation: Any) -> Any:
    if type(None) not in get_args(annotation):
        return annotation
    (found,) = (part for part in get_args(annotation) if part is not type(None))
    return found


def _put(data: dict[str, Any], place: Sequence[str], value: Any) -> None:
    for key in place[:-1]:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            return  # a mistake in the file, reported when the whole is checked
    data[place[-1]] = value


def _with_flags(error: ConfigError, flags: Mapping[str, str], file: Path | None) -> ConfigError:
    """The same mistakes, under the names of the options that caused them."""
    problems = []
    for path, text in error.problems:
        flag = next((f for place, f in flags.items() if f"{path}.".startswith(f"{place}.")), None)
        problems.append((flag or path, text))
    if len(problems) == 1 and problems[0][0] in flags.values():
        return ConfigError(problems[0][0], [("", problems[0][1])])
    return ConfigError("the command line" if file is None else str(file), problems)


def _absolute(path: str) -> str:
    return str(Path(expanduser(path)).absolute())


def _if_there(name: str) -> str:
    """The absolute path of a file or folder; hub and built-in names are unchanged."""
    return _absolute(name) if exists(expanduser(name)) else name
