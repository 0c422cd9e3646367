"""`progsearch validate`: reports all mistakes of files together."""

from __future__ import annotations

from collections.abc import Iterator
from os.path import exists, expanduser, isdir, isfile
from pathlib import Path
from typing import Annotated, Any

import typer

from progsearch.config import TASK_FILES, Recipe, parse, read_yaml
from progsearch.errors import ConfigError, ModelError, ProgsearchError, TaskError
from progsearch.show.output import say

_Problems = list[tuple[str, str]]


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Search spaces, recipes or configs.", readable=False
        ),
    ],
) -> None:
    """Report every mistake in some files.

    Each is a search space, a recipe or an exported config; its content decides which. The model
    and the data that it names must exist, but neither is read; what a hub has is not asked.

    Examples:
        progsearch validate my-space.yaml recipe.yaml
    """
    errors: list[ProgsearchError] = []
    for file in files:
        try:
            say(f"{file}: {_described(file)}")
        except ProgsearchError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ProgsearchError("\n".join(str(error) for error in errors))


def _described(file: Path) -> str:
    """What a file without mistakes is.

    Raises:
        ProgsearchError: With all mistakes of the file and of the space that it names.
    """
    data = read_yaml(file)
    if not isinstance(data, dict):
        raise ConfigError(str(file), [("", "is not a space, recipe or config: it has no keys")])
    if "stages" in data:
        return _config(data, file)
    if "dimensions" in data:
        from progsearch.space.space import Space

        return f"a valid search space; dimensions: {len(Space.load(file).config.dimensions)}"
    if "task" in data:
        return _recipe(data, file)
    raise ConfigError(
        str(file),
        [("", "is not one of them: a config has stages, a space dimensions, a recipe task")],
    )


def _config(data: dict[str, Any], file: Path) -> str:
    from progsearch.schedule.files import read_config

    problems: _Problems = []
    config = None
    try:
        config = read_config(file)
    except ConfigError as error:
        problems = error.problems
    problems = [*problems, *_named(data)]
    if problems or config is None:
        raise ConfigError(str(file), problems)
    return f"a valid config; stages: {len(config.stages)}"


def _recipe(data: dict[str, Any], file: Path) -> str:
    from progsearch.space.space import Space
    from progsearch.strategy.samplers.base import sampler_of

    problems: _Problems = []
    recipe, space, of_space = None, None, None
    try:
        recipe = parse(Recipe, data, str(file))
    except ConfigError as error:
        problems = error.problems
    problems = [*problems, *_named(data)]
    named = data.get("space", Recipe.model_fields["space"].default)
    if isinstance(named, str):
        try:
            space = Space.load(named, None if recipe is None else recipe.methods)
        except ConfigError as error:
            # A space that is not there is a mistake of this file, others are of the space's own.
            if isfile(expanduser(named)):
                of_space = error
            else:
                problems += [("space", f"{named} {text}") for _, text in error.problems]
    if recipe is not None and space is not None:
        try:
            # Any learning rate will do.
            sampler_of(recipe.sampler).check(space.at(recipe.training.learning_rate))
        except ConfigError as error:
            problems += [("sampler", f"{place}: {text}") for place, text in error.problems]
    errors: list[ProgsearchError] = [ConfigError(str(file), problems)] if problems else []
    errors += [of_space] if of_space else []
    if len(errors) == 2:
        raise ProgsearchError("\n".join(map(str, errors)))
    if errors:
        raise errors[0]
    assert recipe is not None, "otherwise there are problems"
    return f"a valid recipe for {recipe.model} on {recipe.task.name}"


def _named(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the task and the model of a file name and is not there.

    The form of a file leaves them open: a task type is a class that must be loaded, and files
    depend on the machine.
    """
    task = data.get("task")
    yield from _named_by_task(task if isinstance(task, dict) else {})
    model = data.get("model", Recipe.model_fields["model"].default)
    if isinstance(model, str):
        from progsearch.models.references import model_path

        try:
            model_path(model)
        except ModelError as error:
            yield "model", str(error)


def _named_by_task(task: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from progsearch.tasks.sources.catalogue import canonical_name, task_names, unknown_task
    from progsearch.tasks.types import types_called

    for field in TASK_FILES:
        path = task.get(field)
        if isinstance(path, str) and not isfile(expanduser(path)):
            text = "is a folder" if exists(expanduser(path)) else "there is no such file"
            yield f"task.{field}", f"{text}: {path}"
    folder = task.get("data_dir")
    if isinstance(folder, str) and not isdir(expanduser(folder)):
        yield "task.data_dir", f"there is no such folder: {folder}"
    name = task.get("name")
    if (
        isinstance(name, str)
        and not any(task.get(field) for field in TASK_FILES)
        and "/" not in name
        and canonical_name(name) not in dict(task_names())
    ):
        yield "task.name", str(unknown_task(name))
    kind = task.get("type")
    if isinstance(kind, str):
        try:
            types_called(kind)
        except TaskError as error:
            yield "task.type", str(error)
