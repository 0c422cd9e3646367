"""`progsearch run`: the search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from progsearch.cli import options
from progsearch.cli.recipe_options import recipe_of, with_recipe_options


@with_recipe_options()
def run(
    given: dict[str, Any],
    recipe_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECIPE.yaml", help="A study as a file; options override it.", readable=False
        ),
    ] = None,
    studies_dir: options.StudiesDir = options.STUDIES,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only say what would be searched, with the data as it was understood and the "
            "expected time.",
        ),
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Search for the best schedules for a task.

    Trains the baselines (full fine-tuning, the paper's schedules, the last quarter of the
    blocks, the head alone), then searched schedules as long as the budget lasts. Ctrl-C stops
    and keeps everything; `progsearch resume` continues.
    """
    from progsearch.api import prepare

    prepared = prepare(recipe_of(recipe_file, given), studies_dir)

    if dry_run:
        from progsearch.show.dry_run import show_dry_run

        show_dry_run(prepared, json=json)
        return

    # Mistakes were reported before Ray and torch, which take their time, are imported.
    from progsearch.driver.search import search
    from progsearch.show.searching import watched_search

    watched_search(lambda view: search(prepared, view), studies_dir, quiet=quiet, json=json)
