"""`progsearch confirm`: the front on new seeds, with tests."""

from __future__ import annotations

from typing import Annotated

import typer

from progsearch.cli import options
from progsearch.show.output import print_json
from progsearch.signals import finishing
from progsearch.words import check_count, margin_of


def confirm(
    study: options.Study,
    seeds: Annotated[
        int,
        typer.Option(metavar="K", help="Train on K new seeds.", show_default=False),
    ],
    pick: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="Train only this schedule (repeatable), with full fine-tuning and the paper's "
            f"schedule to compare with: {options.PICKS}.",
            show_default=False,
        ),
    ] = None,
    margin: Annotated[
        str,
        typer.Option(
            metavar="DROP",
            help="How much a schedule may lose to full fine-tuning, such as 0.01, 1% or 1pt.",
        ),
    ] = "1pt",
    parallel: options.Parallel = None,
    gpus_per_trial: options.GpusPerTrial = None,
    processes_per_trial: options.ProcessesPerTrial = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    studies_dir: options.StudiesDir = options.STUDIES,
) -> None:
    """Train the front and the references of a study again on new seeds.

    Prints means with intervals and, for each schedule, whether it is non-inferior to full
    fine-tuning at a margin. Ctrl-C keeps what is done. The same command continues, and with
    more seeds it trains only the missing ones. The test has more power with fewer schedules:
    --pick the ones that matter before you see a result on a new seed.

    Examples:
        progsearch confirm reviews --seeds 5
        progsearch confirm reviews --seeds 10 --pick knee --margin 0.5pt
    """
    check_count(seeds, "--seeds")
    resources = options.resources(parallel, gpus_per_trial, processes_per_trial)
    drop = margin_of(margin, "--margin")
    from progsearch.show.live import watching
    from progsearch.show.searching import report_if_interrupted

    with report_if_interrupted(), watching(quiet) as view:
        from progsearch.report.files import REPORT_FILES, write_report
        from progsearch.show.results import print_confirmed
        from progsearch.study.confirmed_runs import CONFIRMED
        from progsearch.study.folder import open_study

        # Mistakes are reported before the slow imports of Ray and torch.
        open_study(study, studies_dir, read_only=True).check_writable(CONFIRMED, *REPORT_FILES)
        from progsearch.driver.confirm import confirm as confirm_study

        folder = confirm_study(
            study,
            seeds,
            picks=pick or (),
            margin=drop,
            resources=resources,
            studies_dir=studies_dir,
            view=view,
        )
    with finishing("interrupted at the end; everything is saved and the report is written"):
        report = write_report(folder)
        if json:
            print_json(report.to_dict())
        else:
            print_confirmed(report, folder)
