"""`progsearch doctor`: whether this machine or a cluster is ready for a search."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from progsearch.cli import options
from progsearch.cli.recipe_options import recipe_of, with_recipe_options
from progsearch.errors import ProgsearchError
from progsearch.numerals import counted
from progsearch.show.output import print_json, say, say_pairs
from progsearch.words import RecipeOption

if TYPE_CHECKING:
    from progsearch.workers.doctor.report import Checked

_WANTED = {"address", "storage", "model", "task"}


def _says_what_is_read(option: RecipeOption) -> bool:
    return option.name in _WANTED or option.option.form == "path"


@with_recipe_options(_says_what_is_read)
def doctor(
    given: dict[str, Any],
    recipe_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RECIPE.yaml]",
            help="A study as a file, whose paths are checked; options override it.",
            readable=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Check whether this machine, or each node of a cluster, is ready for a search.

    Python and packages must be the same everywhere, and the model, the data and the cache within
    reach; memory, disk, GPUs, shared memory, limits and clocks are checked, too. The exit code is
    2 if something stops a search; warnings do not change it.

    Examples:
        progsearch doctor
        progsearch doctor --address 10.0.0.1:6379 --train-file /shared/train.csv
        progsearch doctor recipe.yaml --json
    """
    names_task = recipe_file is not None or given["task"] or given["train_file"]
    # Without a task, any name lets the other options be checked.
    recipe = recipe_of(recipe_file, given if names_task else given | {"task": "none"})

    from progsearch.workers.doctor.report import diagnosis

    found = diagnosis(recipe)
    n_errors = sum(check.state == "error" for part in found for check in part.checks)
    if json:
        print_json({"ready": not n_errors, "machines": [asdict(part) for part in found]})
    else:
        _say_lines(found)
    if n_errors:
        raise ProgsearchError(f"{counted(n_errors, 'thing')} to fix before a search")


def _say_lines(found: list[Checked]) -> None:
    for part in found:
        say(part.name)
        lines = []
        for check in part.checks:
            state = "" if check.state == "ok" else f"{check.state}: "
            lines.append((f"  {check.what}", f"{state}{check.text}"))
        say_pairs(lines)
