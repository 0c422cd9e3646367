"""`progsearch contributions`: what each block contributes, by each metric."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from progsearch.cli import options
from progsearch.cli.show.output import log_shown, print_json


@log_shown()
def contributions(
    context: typer.Context,
    task: options.Task = None,
    model: options.Model = None,
    data_dir: options.DataDir = None,
    train_file: options.TrainFile = None,
    validation_file: options.ValidationFile = None,
    text_columns: options.TextColumns = None,
    label_column: options.LabelColumn = None,
    max_train_samples: options.MaxTrainSamples = None,
    max_length: options.MaxLength = None,
    seed: options.Seed = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A metric of `progsearch ls metrics`, repeatable (default all).",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figure to this HTML file.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Score the blocks of a model on a task.

    The higher a score, the more the block is worth training. Scores are computed once for a
    model, a task and a seed, and then read from the cache.
    """
    from progsearch.contribution import get_metric, metric_names

    recipe = options.recipe_of(None, context.params)
    names = metric or [name for name, _ in metric_names()]
    for name in names:
        get_metric(name)
    if out is not None:
        options.check_target(out, "--out", replace=True)

    # Mistakes are told before torch, which takes its time, is imported.
    from progsearch.cli.show.tables import console, scores_table
    from progsearch.contribution import contribution_scores_many

    scores = contribution_scores_many(recipe.model, recipe.task, names, seed=recipe.training.seed)
    if out is not None:
        from progsearch.report.figures import contribution_figure

        contribution_figure(scores).write_html(out)
    if json:
        print_json({"model": recipe.model, "task": recipe.task.name, "scores": scores})
        return
    console().print(scores_table(scores))
    if out is not None:
        typer.echo(f"figure: {out}")
