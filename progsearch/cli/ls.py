"""`progsearch ls`: everything that a recipe can name, and the studies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from progsearch.cli import options
from progsearch.config import METHODS, SAMPLERS
from progsearch.errors import ModelError, ProgsearchError
from progsearch.show.output import say_pairs


class Kind(StrEnum):
    """What can be listed."""

    TASKS = "tasks"
    TYPES = "types"
    SPACES = "spaces"
    TASK_METRICS = "task-metrics"
    CONTRIBUTION_METRICS = "contribution-metrics"
    METRICS = "metrics"
    METHODS = "methods"
    SAMPLERS = "samplers"
    MODELS = "models"
    STUDIES = "studies"


def ls(
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help=f"What to list: {', '.join(Kind)}.")
    ],
    studies_dir: options.StudiesDir = options.STUDIES,
) -> None:
    """List what is available, one per line.

    Task metrics say how good a model is, contribution metrics how much a block is worth training;
    `metrics` lists the latter, too.

    Examples:
        progsearch ls tasks
        progsearch ls task-metrics
        progsearch ls studies
    """
    match kind:
        case Kind.TASKS:
            from progsearch.tasks import task_names

            rows = task_names()
        case Kind.TYPES:
            from progsearch.tasks.types import described_types

            rows = described_types()
        case Kind.SPACES:
            rows = _spaces()
        case Kind.TASK_METRICS:
            rows = _task_metrics()
        case Kind.CONTRIBUTION_METRICS | Kind.METRICS:
            from progsearch.contribution import metric_names

            rows = metric_names()
        case Kind.METHODS:
            rows = METHODS.described()
        case Kind.SAMPLERS:
            rows = SAMPLERS.described()
        case Kind.MODELS:
            rows = _models()
        case Kind.STUDIES:
            rows = list(_studies(studies_dir))
            if not rows:
                from progsearch.study.remote import given_as

                typer.echo(f"there is no study in {given_as(studies_dir)}", err=True)
    say_pairs(list(rows))


def _spaces() -> list[tuple[str, str]]:
    from progsearch.space.shipped import shipped_files
    from progsearch.space.space import Space

    return [(name, Space.load(name).config.description) for name in shipped_files("search_spaces")]


def _task_metrics() -> list[tuple[str, str]]:
    from progsearch.tasks.types import TASK_TYPES

    # Types may call different metrics by one name, such as f1.
    found: dict[tuple[str, str], list[str]] = {}
    for kind in TASK_TYPES.names():
        for metric in TASK_TYPES.get(kind).metrics:
            found.setdefault((metric.name, metric.description), []).append(kind)
    return [
        (name, "; ".join(filter(None, (about, f"for {', '.join(kinds)}"))))
        for (name, about), kinds in found.items()
    ]


def _models() -> list[tuple[str, str]]:
    from progsearch.models.references import ALIASES, model_path

    rows = []
    for alias in ALIASES:
        try:
            folder = model_path(alias)
            config = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
            about = "{model_type}, {num_hidden_layers} blocks, hidden size {hidden_size}, in "
            rows.append((alias, about.format(**config) + folder))
        except ModelError as error:
            rows.append((alias, str(error)))
    return [
        *rows,
        ("FOLDER", "a model in the Hugging Face format, with or without a head"),
        ("OWNER/NAME", "the same from the hub"),
    ]


def _studies(studies_dir: Path) -> Iterator[tuple[str, str]]:
    from progsearch.report.data import study_report
    from progsearch.report.formatting import spent_in_words
    from progsearch.study.folder import open_study, study_names

    for name in study_names(studies_dir):
        try:
            report = study_report(open_study(name, studies_dir, read_only=True).study)
        except ProgsearchError as error:
            yield name, str(error)
            continue
        spent = spent_in_words(report.spent, report.recipe.budget)
        yield name, f"{spent} of the budget spent, {len(report.front)} on the front"
