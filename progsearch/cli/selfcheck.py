"""`progsearch selfcheck`: which shortcuts a model can take, and why not the others."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from progsearch.cli import options
from progsearch.cli.recipe_options import RecipeOption, recipe_of, with_recipe_options
from progsearch.cli.show.output import log_shown, print_json

# The comparison depends on the model and the training data.
_UNUSED = {"test_file", "task_metric"}


def _decides_comparison(option: RecipeOption) -> bool:
    of_task = option.place[0] == "task" and option.name not in _UNUSED
    return option.name == "model" or of_task


@log_shown()
@with_recipe_options(_decides_comparison)
def selfcheck(given: dict[str, Any], json: options.Json = False) -> None:
    """Compare what spares work with plain passes of the model.

    Each shortcut alone, by outputs and gradients, on the training data of a task or, without one,
    on a few sentences. Searches do this before their first trial and leave out what differs.
    """
    has_task = any(value for name, value in given.items() if name != "model")
    # Without a task, any name lets the other options be checked.
    recipe = recipe_of(None, given if has_task else given | {"task": "sentences"})

    # Mistakes are reported before torch, which takes its time, is imported.
    from progsearch.cli.show.tables import console, shortcuts_table
    from progsearch.training.shortcut_check import selfcheck as compare

    check = compare(recipe.model, recipe.task if has_task else None)
    if json:
        task = recipe.task.name if has_task else None
        print_json({"model": recipe.model, "task": task, **asdict(check)})
        return
    console().print(shortcuts_table(check.findings))
