"""What `run` and `resume` share: a search with its live view, and its results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from progsearch.errors import NothingUsable
from progsearch.report.files import write_report
from progsearch.show.live import watching
from progsearch.show.output import print_json
from progsearch.show.results import print_results
from progsearch.study.folder import StudyFolder
from progsearch.study.view import View


def watched_search(
    start: Callable[[View], StudyFolder], studies_dir: Path, *, quiet: bool, json: bool
) -> None:
    """Search, then write the report and print the results.

    These are also written and printed if nothing was learned, which then ends the command.

    Args:
        start: Runs the search under a view.
        studies_dir: The folder of the study's folder.
        quiet: Show nothing before the results.
        json: Print the results as the JSON document that `progsearch report --json` prints.

    Raises:
        NothingUsable: No result beats the constant answer beyond noise.
    """
    with watching(quiet) as view:
        folder = start(view)
    report = write_report(folder)
    # Imported here: it takes a second to load, and the search does not need it.
    from progsearch.report.dashboard import save_to_dashboard

    with folder.locked():
        save_to_dashboard(folder.study, report)
    if json:
        print_json(report.to_dict())
    else:
        print_results(report, folder, studies_dir)
    if report.nothing_learned:
        raise NothingUsable(report.nothing_learned)
