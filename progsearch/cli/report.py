"""`progsearch report`: the results of a study as a page and as data."""

from __future__ import annotations

from typing import Annotated

import typer

from progsearch.cli import options
from progsearch.show.output import print_json, say, say_command


def report(
    study: options.Study,
    studies_dir: options.StudiesDir = options.STUDIES,
    json: options.Json = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Write the report of a study.

    report.html and report.json go into the study's folder.

    Examples:
        progsearch report reviews --open
        progsearch report reviews --json
    """
    from progsearch.report.files import REPORT_FILES, write_report
    from progsearch.study.folder import open_study

    folder = open_study(study, studies_dir, read_only=True)
    folder.check_writable(*REPORT_FILES)
    result = write_report(folder)
    page = folder.path / "report.html"
    if json:
        print_json(result.to_dict())
    else:
        if result.nothing_learned:
            say(result.nothing_learned)
        say_command("report", str(page))
    if open_page:
        typer.launch(str(page))
