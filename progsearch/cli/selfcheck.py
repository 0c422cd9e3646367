"""`progsearch selfcheck`: which shortcuts a model can use, and why not the others."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from progsearch.cli import options
from progsearch.cli.recipe_options import recipe_of, with_recipe_options
from progsearch.show.output import console, log_shown, print_json
from progsearch.words import RecipeOption

# The comparison depends only on the model and the training data.
_UNUSED = {"test_file", "task_metric", "general_file", "answer_pattern"}


def _decides_comparison(option: RecipeOption) -> bool:
    of_task = option.place[0] == "task" and option.name not in _UNUSED
    return option.name == "model" or of_task


@log_shown()
@with_recipe_options(_decides_comparison)
def selfcheck(given: dict[str, Any], json: options.Json = False) -> None:
    """Compare each shortcut with plain forward passes of the model.

    Outputs and gradients are compared on the training data of a task or, without a task, on a few
    sentences. Searches do this before the first trial and disable shortcuts that differ.

    Examples:
        progsearch selfcheck --model bert-base-uncased
        progsearch selfcheck --model ./my-model --train-file train.csv
    """
    has_task = any(value for name, value in given.items() if name != "model")
    # Without a task, any name lets the other options be checked.
    recipe = recipe_of(None, given if has_task else given | {"task": "sentences"})

    # Mistakes are reported before the slow import of torch.
    from progsearch.show.tables import shortcuts_table
    from progsearch.training.shortcut_check import selfcheck as compare

    check = compare(recipe.model, recipe.task if has_task else None)
    if json:
        task = recipe.task.name if has_task else None
        print_json({"model": recipe.model, "task": task, **asdict(check)})
        return
    console().print(shortcuts_table(check.findings))
