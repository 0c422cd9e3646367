"""What `run` and `resume` share: a search with its live view, and its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from progsearch.errors import Interrupted, NothingUsable
from progsearch.show.live import watching
from progsearch.show.output import print_json, say
from progsearch.signals import Stopped, finishing, stopped_by_signals
from progsearch.study.view import View

if TYPE_CHECKING:
    from progsearch.study.folder import StudyFolder


@contextmanager
def report_if_interrupted() -> Iterator[None]:
    """While active, an interruption also writes the report of what is saved.

    Another signal leaves the report out.
    """
    try:
        yield
    except Interrupted as interruption:
        if interruption.study is not None:
            from progsearch.report.files import write_report
            from progsearch.study.folder import open_study

            with suppress(Stopped), stopped_by_signals():
                write_report(open_study(interruption.study, read_only=True))
        raise


def watched_search(
    start: Callable[[View], StudyFolder], studies_dir: Path, *, quiet: bool, json: bool
) -> None:
    """Search, then write the report and print the results.

    These are also written and printed if nothing was learned, which then ends the command.

    Args:
        start: Runs the search under a view, which is there while it imports what it needs.
        studies_dir: The folder of the study's folder.
        quiet: Show nothing before the results.
        json: Print the results as the JSON document that `progsearch report --json` prints.

    Raises:
        NothingUsable: No result beats the constant answer beyond noise.
    """
    with report_if_interrupted(), watching(quiet) as view:
        folder = start(view)
    with finishing("interrupted at the end; everything is saved and the report is written"):
        # Imported here: they take seconds to load, and the search does not need all of them.
        from progsearch.report.dashboard import save_to_dashboard
        from progsearch.report.files import write_report
        from progsearch.show.results import print_results

        report = write_report(folder)

        with folder.owned("report"):
            save_to_dashboard(folder.study, report)
        if json:
            print_json(report.to_dict())
        else:
            print_results(report, folder, studies_dir)
            say(_disk_line(folder, studies_dir))
    if report.nothing_learned:
        raise NothingUsable(report.nothing_learned)


def _disk_line(folder: StudyFolder, studies_dir: Path) -> str:
    """What the study and the cache take on disk, and the commands that free it."""
    from progsearch.cached import entries
    from progsearch.numerals import size
    from progsearch.study.folder import command_line
    from progsearch.study.removal import taken

    cached = sum(entry.size for entry in entries())
    removing = command_line("rm", folder.name, studies_dir)
    return (
        f"disk: {size(taken(folder.path))} of the study (`{removing}`), "
        f"{size(cached)} of the cache of all studies (`progsearch cache`)"
    )
