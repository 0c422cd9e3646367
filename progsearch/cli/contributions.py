"""`progsearch contributions`: the score of each block by each contribution metric."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from progsearch.cli import options
from progsearch.cli.recipe_options import recipe_of, with_recipe_options
from progsearch.show.output import console, log_shown, print_json, say
from progsearch.words import RecipeOption

# Scores depend on the model, the training data and the seed.
_USED = {"model", "seed"}
_UNUSED = {"test_file", "task_metric", "general_file", "answer_pattern"}


def _decides_scores(option: RecipeOption) -> bool:
    return option.name in _USED or (option.place[0] == "task" and option.name not in _UNUSED)


@log_shown()
@with_recipe_options(_decides_scores)
def contributions(
    given: dict[str, Any],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A metric of `progsearch ls contribution-metrics`, repeatable (default all).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the figure to this HTML file.", readable=False),
    ] = None,
    json: options.Json = False,
) -> None:
    """Score the blocks of a model on a task.

    The higher a score, the more the block is worth training. Scores are computed once for a
    model, a task and a seed, and then read from the cache.

    Examples:
        progsearch contributions --task bbc-headlines
        progsearch contributions --task bbc-headlines --metric fisher --out scores.html
    """
    from progsearch.contribution import get_metric, metric_names

    recipe = recipe_of(None, given)
    names = metric or [name for name, _ in metric_names()]
    for name in names:
        get_metric(name)
    if out is not None:
        options.check_target(out, "--out", replace=True)

    # Mistakes are reported before torch, which takes its time, is imported.
    from progsearch.config import method_of
    from progsearch.contribution import contribution_scores_many
    from progsearch.models.head import CAUSAL
    from progsearch.models.loading import ties_tables
    from progsearch.show.tables import scores_table
    from progsearch.tasks import load_task_for
    from progsearch.training.shortcut_check import checked_shortcuts
    from progsearch.workers.processors import use_allowed_threads

    use_allowed_threads()
    # Scores of a model that no search can train would be of no use.
    checked_shortcuts(recipe.model, recipe.task, method_of())
    scores = contribution_scores_many(recipe.model, recipe.task, names, seed=recipe.training.seed)
    head = load_task_for(recipe.model, recipe.task).head
    tied = head.auto_class == CAUSAL and ties_tables(recipe.model)
    if out is not None:
        from progsearch.report.figures import contribution_figure

        contribution_figure(scores).write_html(out)
    if json:
        found = {"model": recipe.model, "task": recipe.task.name, "scores": scores}
        print_json(found | ({"tied_table": "embeddings"} if tied else {}))
        return
    console().print(scores_table(scores))
    if tied:
        say(
            "the weight of the head is the token table: it belongs to the embeddings, so it is "
            "trained and frozen with them and counted once"
        )
    if out is not None:
        say(f"figure: {out}")
