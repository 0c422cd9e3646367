"""`progsearch export`: a trial as a config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from progsearch.cli import options
from progsearch.errors import StudyError
from progsearch.show.output import say


def export(
    study: options.Study,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the config.", readable=False)
    ],
    pick: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help=f"{options.PICKS}.",
        ),
    ] = "knee",
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Export even if nothing was learned.")
    ] = False,
    studies_dir: options.StudiesDir = options.STUDIES,
) -> None:
    """Write a schedule as a config file.

    The file holds everything that the training needs; the study is not needed.

    Examples:
        progsearch export reviews --out best.yaml
        progsearch export reviews --pick cheapest@1pt --out cheap.yaml
        progsearch export reviews --pick 7 --out seven.yaml
    """
    from progsearch.report.data import study_report
    from progsearch.report.loss import loss_of
    from progsearch.results import Pick
    from progsearch.schedule.files import write_config
    from progsearch.show.results import trial_line
    from progsearch.study.folder import open_study

    options.check_target(out, "--out", replace=force)
    folder = open_study(study, studies_dir, read_only=True)
    report = study_report(folder.study)
    if report.nothing_learned and not anyway:
        raise StudyError(f"{report.nothing_learned}; add --anyway to export it all the same")
    trial = report.pick(pick)
    write_config(Pick(trial, report).config, out)
    say(f"{out}: {trial_line(report, trial)}")
    if loss := loss_of(report, trial):
        say(loss)
