"""`progsearch validate`: every mistake of a file at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from progsearch.cli.show.output import say
from progsearch.config import Recipe, parse, read_yaml
from progsearch.errors import ConfigError


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

        stages = read_config(file).stages
        say(f"{file}: a valid config; stages: {len(stages)}")
    elif "dimensions" in data:
        from progsearch.space.space import Space

        space = Space.load(file)
        say(f"{file}: a valid search space; dimensions: {len(space.config.dimensions)}")
    elif "task" in data:
        from progsearch.space.space import Space

        recipe = parse(Recipe, data, str(file))
        Space.load(recipe.space, recipe.methods)
        say(f"{file}: a valid recipe for {recipe.model} on {recipe.task.name}")
    else:
        raise ConfigError(
            str(file),
            [("", "is neither: a config has stages, a space dimensions, a recipe task")],
        )
