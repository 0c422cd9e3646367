"""Options and checks that several subcommands share."""

from __future__ import annotations

from os.path import exists, isdir
from pathlib import Path
from typing import Annotated

import typer

from progsearch.config import Resources
from progsearch.errors import ConfigError
from progsearch.paths import check_writable_file
from progsearch.words import checked_resources


def _studies_folder(given: str) -> Path:
    # Imported here: help is shown without it.
    from progsearch.study.remote import studies_folder

    return studies_folder(given)


STUDIES = Path("studies")
OUTPUT = "Output"
"""The group of these options in the help."""
# `readable=False` for every path: whoever reads it says in one sentence why that fails.
StudiesDir = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help="The folder of all studies, or its URL for studies in a database, such as "
        "s3://bucket/studies.",
        parser=_studies_folder,
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON document and nothing else.", rich_help_panel=OUTPUT
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", help="Print only the final lines.", rich_help_panel=OUTPUT)
]
RESOURCES = "Resources"
"""The group of these options in the help."""
Parallel = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Trials at once (default: as in the study).",
        rich_help_panel=RESOURCES,
    ),
]
GpusPerTrial = Annotated[
    float | None,
    typer.Option(
        metavar="F",
        help="A share of a GPU, or a whole number of GPUs that train each trial together "
        "(default: as in the study).",
        rich_help_panel=RESOURCES,
    ),
]
ProcessesPerTrial = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processes that train each trial together, without GPUs (default: as in the study).",
        rich_help_panel=RESOURCES,
    ),
]
Study = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name or its folder.")]
# The values of `--pick`, described for the help.
PICKS = (
    "knee (the front's bend), best (highest task metric), cheapest@DROP (the cheapest at most "
    "DROP below full fine-tuning, such as 0.01, 1% or 1pt), a trial's number (7 or '#7') or "
    "a reference's name"
)


def resources(
    parallel: int | None, gpus_per_trial: float | None, processes_per_trial: int | None
) -> Resources:
    """What these options give the trials of a study.

    Raises:
        ConfigError: One of them is not possible.
    """
    given = Resources(parallel, gpus_per_trial, processes_per_trial)
    return checked_resources(given, lambda name: f"--{name.replace('_', '-')}")


def check_target(file: Path, place: str, *, replace: bool) -> None:
    """Check that ``file`` can be written without losing anything.

    Raises:
        ConfigError: It exists and must not be replaced, its folder does not exist, or it cannot
            be written; ``place`` is the option or argument that named it.
    """
    if exists(file) and not replace:
        raise ConfigError(
            place, [("", f"{file} exists already; choose another name or add --force")]
        )
    if not isdir(file.parent):
        raise ConfigError(place, [("", f"there is no folder {file.parent}; make it first")])
    check_writable_file(file, place)
