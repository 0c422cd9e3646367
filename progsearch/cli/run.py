"""`progsearch run`: the search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from progsearch.cli import options
from progsearch.cli.recipe_options import recipe_of, with_recipe_options

if TYPE_CHECKING:
    from progsearch.study.folder import StudyFolder
    from progsearch.study.view import View


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
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Search for the best schedules for a task.

    Trains the references (full fine-tuning, the paper's schedules, the last quarter of the
    blocks, the head alone), then searched schedules as long as the budget lasts. Ctrl-C stops
    and keeps everything; `progsearch resume` continues.

    Examples:
        progsearch run --task bbc-headlines --budget 8
        progsearch run --train-file train.csv --model bert-base-uncased --time 2h
        progsearch run --task mrpc --objective metric --objective seconds
        progsearch run recipe.yaml --parallel 4
        progsearch run --train-file train.csv --dry-run
    """
    from progsearch.show.searching import watched_search

    recipe = recipe_of(recipe_file, given)
    if dry_run:
        from progsearch.api import prepare
        from progsearch.show.dry_run import show_dry_run

        show_dry_run(prepare(recipe, studies_dir, dry_run=True), json=json)
        return

    def start(view: View) -> StudyFolder:
        from progsearch.api import prepare

        # Mistakes are reported before Ray and torch, which take their time, are imported.
        prepared = prepare(recipe, studies_dir)
        view.preparing("loading libraries")
        from progsearch.driver.search import search

        return search(prepared, view)

    watched_search(start, studies_dir, quiet=quiet, json=json)
