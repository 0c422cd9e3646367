"""The words of a search: the fields of a recipe as users name them."""

from __future__ import annotations

import difflib
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import exists, expanduser
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from progsearch.config import METHODS, SAMPLERS, Option, Recipe, Resources, parse
from progsearch.config.resources import share_or_whole
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

    def value(self, given: Any, shown: str) -> Any:
        """The recipe's value for what was given, as text or as a Python value.

        Args:
            given: The text of the command line, or a value.
            shown: The option's name for messages.

        Raises:
            ConfigError: It cannot be such a value.
        """
        form = self.option.form
        if isinstance(given, bool) and (
            self.kind in (int, float) or form in ("duration", "share", "size")
        ):
            # It would be read as 0 or 1.
            raise ConfigError(shown, [("", f"must be a number, got {given}")])
        if isinstance(given, str):
            if form == "duration":
                return seconds_of(given, shown)
            if form in ("list", "repeated"):
                return [part.strip() for part in given.split(",")]
        return os.fspath(given) if isinstance(given, os.PathLike) else given

    @property
    def help(self) -> str:
        """What it does, in a sentence."""
        default = self.field.default
        if isinstance(default, tuple):
            default = " and ".join(default)
        return self.option.help.format(default=default, choices=", ".join(self.choices))

    @property
    def kind(self) -> Any:
        """The type of what is typed on the command line."""
        if self.option.form == "repeated":
            return list[str]
        if self.option.form in ("list", "duration", "share", "size"):
            return str
        found = _without_none(self.field.annotation)
        return found if found in (bool, int, float) else str

    @property
    def choices(self) -> Sequence[str]:
        """The possible values, if these are a list."""
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


def recipe_with(
    data: Any, options: Mapping[str, Any], source: str, shown: Callable[[RecipeOption], str]
) -> Recipe:
    """A recipe whose fields are overridden by options.

    Args:
        data: The recipe's fields, such as the content of a file; changed in place. Empty: the
            options say all.
        options: Options by name. Those that are not given (None or an empty list) are skipped.
        source: Where the fields come from, for messages.
        shown: How an option is written there, such as ``--budget``.

    Raises:
        ConfigError: With every mistake; those of an option carry the option's name.
        TaskError: Neither the fields nor the options say what to train on.
    """
    if not isinstance(data, dict):
        reason = "is not a recipe: it must hold keys such as task; data is given with --train-file"
        raise ConfigError(source, [("", reason)])
    says_nothing = not data
    names = {}
    for option in recipe_options():
        value = options.get(option.name)
        if value is not None and not (isinstance(value, list | tuple) and not value):
            names[".".join(option.place)] = shown(option)
            _put(data, option.place, option.value(value, shown(option)))
    task = data.setdefault("task", {})
    if isinstance(task, dict) and "name" not in task and "train_file" in task:
        task["name"] = Path(str(task["train_file"])).stem
    if says_nothing and not task.get("name"):
        by_name = {option.name: shown(option) for option in recipe_options()}
        raise TaskError(
            f"there is nothing to train on; give {by_name['task']} (`progsearch ls tasks` lists "
            f"them), {by_name['train_file']} or a recipe file"
        )
    try:
        recipe = parse(Recipe, data, source)
    except ConfigError as error:
        raise _with_names(error, names, source) from None
    return with_absolute_paths(recipe)


def search_words(words: Mapping[str, Any], called: str) -> None:
    """Check the names of keyword arguments.

    Args:
        words: The arguments by name.
        called: The function that got them.

    Raises:
        ConfigError: One is not the name of an option; the message names the nearest.
    """
    known = {option.name: option.name for option in recipe_options()}
    # Recipes and older code name some of them as their fields.
    fields = {option.place[-1]: option.name for option in recipe_options()}
    problems = []
    for word in words.keys() - known.keys():
        near = difflib.get_close_matches(word, [*known, *fields], n=1)
        name = (fields | known)[near[0]] if near else None
        hint = f"did you mean {name}?" if name else "`progsearch run --help` lists them"
        problems.append((word, f"is no word of a search; {hint}"))
    if problems:
        raise ConfigError(called, sorted(problems))


def with_absolute_paths(recipe: Recipe) -> Recipe:
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


def seconds_of(duration: str, shown: str) -> float:
    """Seconds of a duration such as ``2h``, ``30m``, ``90s`` or ``1h30m``.

    Raises:
        ConfigError: It has another form; ``shown`` is the option that gave it.
    """
    # So few digits that the sum is no overflow.
    match = re.fullmatch(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", duration.strip())
    if not duration or match is None:
        raise ConfigError(shown, [("", f"write it like 2h, 30m or 90s, got {duration!r}")])
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(3600 * hours + 60 * minutes + seconds)


def check_count(given: object, shown: str) -> None:
    """Check a number that counts something.

    Raises:
        ConfigError: It is no whole number, or below 1; ``shown`` is the option that gave it.
    """
    if not isinstance(given, int) or isinstance(given, bool):
        raise ConfigError(shown, [("", f"must be a whole number, got {given!r}")])
    if given < 1:
        raise ConfigError(shown, [("", f"must be at least 1, got {given}")])


def checked_resources(given: Resources, shown: Callable[[str], str] = str) -> Resources:
    """The resources that were given to the trials of a study, if they are possible.

    Args:
        given: Unchecked.
        shown: How an option is written there, such as ``--parallel``.

    Raises:
        ConfigError: One of them is not possible.
    """
    for name in ("parallel", "processes_per_trial"):
        if getattr(given, name) is not None:
            check_count(getattr(given, name), shown(name))
    try:
        share_or_whole(given.gpus_per_trial)
    except ValueError as error:
        reason = f"{error}, got {given.gpus_per_trial!r}"
        raise ConfigError(shown("gpus_per_trial"), [("", reason)]) from None
    return given


def margin_of(given: float | str, shown: str) -> float:
    """How much a schedule may lose, written as a number, ``0.01``, ``1%`` or ``1pt``.

    Raises:
        ConfigError: It is nothing of that, or not between 0 and 1; ``shown`` is the option that
            gave it.
    """
    from progsearch.study.front import drop_of

    drop = drop_of(str(given))
    if drop is None or not 0 < drop < 1:
        raise ConfigError(
            shown,
            [("", f"must be above 0 and below 1, written like 0.01, 1% or 1pt, got {given!r}")],
        )
    return drop


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


def _with_names(error: ConfigError, names: Mapping[str, str], source: str) -> ConfigError:
    """The same mistakes, under the names of the options that caused them."""
    problems = []
    for path, text in error.problems:
        name = next((n for place, n in names.items() if f"{path}.".startswith(f"{place}.")), None)
        problems.append((name or path, text))
    if len(problems) == 1 and problems[0][0] in names.values():
        return ConfigError(problems[0][0], [("", problems[0][1])])
    return ConfigError(source, problems)


def _absolute(path: str) -> str:
    return str(Path(expanduser(path)).absolute())


def _if_there(name: str) -> str:
    """The absolute path of a file or folder; hub and built-in names are unchanged."""
    return _absolute(name) if exists(expanduser(name)) else name
