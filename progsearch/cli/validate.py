"""`progsearch validate`: every mistake of a file at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from progsearch.config import Recipe, TaskConfig, parse, read_yaml
from progsearch.errors import ConfigError, TaskError


def validate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A search space, a recipe or a config.")
    ],
) -> None:
    """Report every mistake in a file.

    The file is a search space, a recipe or an exported config; its content decides which.
    Neither the model nor the data is read.
    """
    data = read_yaml(file)
    if not isinstance(data, dict):
        raise ConfigError(str(file), [("", "is not a space, recipe or config: it has no keys")])
    if "stages" in data:
        from progsearch.schedule.files import read_config

        config = read_config(file)
        _check_type(config.task, file)
        typer.echo(f"{file}: a valid config; stages: {len(config.stages)}")
    elif "dimensions" in data:
        from progsearch.space.space import Space

        space = Space.load(file)
        typer.echo(f"{file}: a valid search space; dimensions: {len(space.config.dimensions)}")
    elif "task" in data:
        from progsearch.space.space import Space

        recipe = parse(Recipe, data, str(file))
        _check_type(recipe.task, file)
        Space.load(recipe.space, recipe.methods)
        typer.echo(f"{file}: a valid recipe for {recipe.model} on {recipe.task.name}")
    else:
        raise ConfigError(
            str(file),
            [("", "is not one of them: a config has stages, a space dimensions, a recipe task")],
        )


def _check_type(task: TaskConfig, file: Path) -> None:
    from progsearch.tasks.types import TASK_TYPES

    if task.type is None:
        return
    try:
        TASK_TYPES.get(task.type)
    except TaskError as error:
        raise ConfigError(str(file), [("task.type", str(error))]) from None
