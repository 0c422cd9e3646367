"""`progsearch resume`: continue a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from progsearch.cli import options
from progsearch.words import check_count

if TYPE_CHECKING:
    from progsearch.study.folder import StudyFolder
    from progsearch.study.view import View


def resume(
    study: options.Study,
    budget: Annotated[
        int | None,
        typer.Option(metavar="N", help="The total budget (default: that of the study)."),
    ] = None,
    parallel: options.Parallel = None,
    gpus_per_trial: options.GpusPerTrial = None,
    processes_per_trial: options.ProcessesPerTrial = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    studies_dir: options.StudiesDir = options.STUDIES,
) -> None:
    """Continue a study that was stopped or killed.

    With more budget, a finished study continues, too. Resources hold for this command only.

    Examples:
        progsearch resume reviews
        progsearch resume reviews --budget 60
        progsearch resume reviews --parallel 1
    """
    if budget is not None:
        check_count(budget, "--budget")
    resources = options.resources(parallel, gpus_per_trial, processes_per_trial)
    from progsearch.show.searching import watched_search

    def start(view: View) -> StudyFolder:
        from progsearch.report.files import REPORT_FILES
        from progsearch.study.folder import open_study

        # Mistakes are reported before the slow imports of Ray and torch.
        open_study(study, studies_dir, read_only=True).check_writable(*REPORT_FILES)
        from progsearch.driver.search import resume as resume_search

        return resume_search(
            study, studies_dir=studies_dir, budget=budget, resources=resources, view=view
        )

    watched_search(start, studies_dir, quiet=quiet, json=json)
