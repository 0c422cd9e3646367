"""`progsearch run`: the search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from progsearch.cli import options
from progsearch.cli.options import DEFAULTS
from progsearch.config import MethodName, Objective, Precision, SamplerName, SchedulerName

_TRAINING = DEFAULTS.training


def run(
    context: typer.Context,
    recipe_file: Annotated[
        Path | None,
        typer.Argument(metavar="RECIPE.yaml", help="A study as a file; options go over it."),
    ] = None,
    task: options.Task = None,
    model: options.Model = None,
    data_dir: options.DataDir = None,
    train_file: options.TrainFile = None,
    validation_file: options.ValidationFile = None,
    test_file: options.TestFile = None,
    text_columns: options.TextColumns = None,
    label_column: options.LabelColumn = None,
    task_metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The task's metric to maximise, else its usual one."),
    ] = None,
    max_train_samples: options.MaxTrainSamples = None,
    max_length: options.MaxLength = None,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="SPACE",
            help=f"A space of `progsearch ls spaces` or a file (default {DEFAULTS.space}).",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="A[,B...]", help=f"Methods to search over: {', '.join(get_args(MethodName))}."
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"What to optimise, repeatable: {', '.join(get_args(Objective))} "
            f"(default {' and '.join(DEFAULTS.objectives)}).",
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Searched trials, baselines not counted; one that is stopped early counts as the "
            f"part of it that was trained (default {DEFAULTS.budget}).",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Train each trial with K seeds; its metric is their mean "
            f"(default {DEFAULTS.seeds}).",
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="2h|30m|90s", help="Stop after this time.")
    ] = None,
    max_gpu_hours: Annotated[
        float | None,
        typer.Option(metavar="H", help="Stop once trials have held GPUs for so many hours."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Stop once the last searched trials, N whole ones, made the front no better.",
        ),
    ] = None,
    max_updated: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Search only schedules that update at most this share of full fine-tuning's "
            "parameters, such as 0.5.",
        ),
    ] = None,
    min_metric: Annotated[
        float | None,
        typer.Option(metavar="VALUE", help="Choose only schedules whose metric is at least this."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", help=f"Epochs of every trial (default {_TRAINING.epochs})."),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(metavar="N", help=f"Examples of a step (default {_TRAINING.batch_size})."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Of the baselines, and where the space does not vary it (default: by the "
            "model's width).",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(get_args(Precision)), help=f"Default {_TRAINING.precision}."
        ),
    ] = None,
    seed: options.Seed = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(get_args(SamplerName)),
            help="Where the schedules come from; ehvi chooses by what each is expected to add to "
            f"the front for its time, the others are Optuna's (default {DEFAULTS.sampler}).",
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Points drawn for each trial, to train the one that promises most for its "
            "time (default 64 with ehvi, 1 with the other samplers).",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(get_args(SchedulerName)),
            help="Which trials are stopped before their end: those that promise less for their "
            "time than a new one (the default with ehvi), those whose place on the front has "
            "become implausible (with other samplers), those that successive halving leaves "
            "behind, or none.",
        ),
    ] = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY",
            help="An earlier study, of another task, model or data size: its best schedules are "
            "tried first, and what it found guides the search.",
        ),
    ] = None,
    parallel: Annotated[
        int | None, typer.Option(metavar="N", help="Trials at once, else what the machine holds.")
    ] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(metavar="F", help="A share of a GPU, or several (default 1).")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A running Ray cluster to use.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An Optuna storage instead of the journal file."),
    ] = None,
    reuse: Annotated[
        bool | None,
        typer.Option(
            "--reuse/--no-reuse",
            help="Start trials from steps that earlier ones have made (default: yes).",
            show_default=False,
        ),
    ] = None,
    reuse_budget: Annotated[
        float | None,
        typer.Option(
            metavar="GIB",
            help="Disk that reusable work may take, for all studies of this machine (default: a "
            "fifth of what is free, at most 20).",
        ),
    ] = None,
    prefix_cache: Annotated[
        bool | None,
        typer.Option(
            "--prefix-cache/--no-prefix-cache",
            help="Keep the output of frozen blocks (default: yes).",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="The study's name, else made up.")
    ] = None,
    studies_dir: options.StudiesDir = options.STUDIES,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Search the best schedules for a task.

    Trains the baselines (full fine-tuning, the paper's schedules, the last quarter of the
    blocks, the head alone), then searched schedules as long as the budget lasts. Ctrl-C stops
    and keeps everything; `progsearch resume` goes on.
    """
    from progsearch.api import search
    from progsearch.models.loading import resolve_model
    from progsearch.space.space import Space
    from progsearch.study.folder import check_name_is_free, open_study
    from progsearch.tasks import check_task

    recipe = options.recipe_of(recipe_file, context.params)
    # Mistakes are told before Ray and torch, which take their time, are imported.
    check_name_is_free(recipe, studies_dir)
    found = Space.load(recipe.space, recipe.methods)
    if recipe.sampler == "grid":
        found.points()
    if recipe.warm_start is not None:
        open_study(recipe.warm_start, studies_dir, read_only=True)
    resolve_model(recipe.model)
    check_task(recipe.task)

    from progsearch.cli.show.searching import watched_search

    watched_search(
        lambda view: search(recipe, studies_dir=studies_dir, view=view),
        studies_dir,
        quiet=quiet,
        json=json,
    )
