"""`progsearch resume`: continue a study."""

from __future__ import annotations

from typing import Annotated

import typer

from progsearch.cli import options
from progsearch.words import check_count


def resume(
    study: options.Study,
    budget: Annotated[
        int | None,
        typer.Option(metavar="N", help="The total budget (default: that of the study)."),
    ] = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    studies_dir: options.StudiesDir = options.STUDIES,
) -> None:
    """Continue a study that was stopped or killed.

    With more budget, a finished study continues, too.
    """
    if budget is not None:
        check_count(budget, "--budget")
    from progsearch.api import resume as resume_search
    from progsearch.report.files import REPORT_FILES
    from progsearch.study.folder import open_study

    # Mistakes are reported before the slow imports of Ray and torch.
    open_study(study, studies_dir, read_only=True).check_writable(*REPORT_FILES)

    from progsearch.show.searching import watched_search

    watched_search(
        lambda view: (
            resume_search(study, studies_dir=studies_dir, budget=budget, view=view).folder
        ),
        studies_dir,
        quiet=quiet,
        json=json,
    )
