"""`progsearch validate`: reports all mistakes in a file together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from progsearch.config import Recipe, parse, read_yaml
from progsearch.errors import ConfigError, TaskError
from progsearch.show.output import say


def validate(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A search space, a recipe or a config.", readable=False
        ),
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

        with _with_type(data, file):
            config = read_config(file)
        say(f"{file}: a valid config; stages: {len(config.stages)}")
    elif "dimensions" in data:
        from progsearch.space.space import Space

        space = Space.load(file)
        say(f"{file}: a valid search space; dimensions: {len(space.config.dimensions)}")
    elif "task" in data:
        from progsearch.space.space import Space

        with _with_type(data, file):
            recipe = parse(Recipe, data, str(file))
        Space.load(recipe.space, recipe.methods)
        say(f"{file}: a valid recipe for {recipe.model} on {recipe.task.name}")
    else:
        raise ConfigError(
            str(file),
            [("", "is not one of them: a config has stages, a space dimensions, a recipe task")],
        )


@contextmanager
def _with_type(data: dict[str, Any], file: Path) -> Iterator[None]:
    """Adds an unknown type of the task to what reading ``data`` finds wrong.

    The form of a file leaves types open, since each is a class that must be loaded.
    """
    from progsearch.tasks.types import TASK_TYPES

    task = data.get("task")
    name = task.get("type") if isinstance(task, dict) else None
    problems = []
    if isinstance(name, str):
        try:
            TASK_TYPES.get(name)
        except TaskError as error:
            problems = [("task.type", str(error))]
    try:
        yield
    except ConfigError as error:
        raise ConfigError(str(file), [*error.problems, *problems]) from None
    if problems:
        raise ConfigError(str(file), problems)
