"""`progsearch rm`: removes studies."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from progsearch.cli import options
from progsearch.errors import StudyError
from progsearch.show.output import say


def rm(
    studies: Annotated[
        list[str], typer.Argument(metavar="STUDY...", help="Names of studies or their folders.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    studies_dir: options.StudiesDir = options.STUDIES,
) -> None:
    """Remove studies with all their results.

    If the trials of one are in a database, they are removed there, too. A study that a process
    works in is refused. What studies share is kept; `progsearch cache` shows it.

    Examples:
        progsearch rm reviews
    """
    from progsearch.numerals import size
    from progsearch.study.folder import open_study
    from progsearch.study.removal import check_removable, remove, taken

    # A study that is named twice is removed once.
    found = {folder.path: folder for folder in (open_study(name, studies_dir) for name in studies)}
    for folder in found.values():
        check_removable(folder)
    for folder in found.values():
        database = f" and in {folder.recipe.storage}" if folder.recipe.storage else ""
        n_trials = len(folder.trials())
        say(f"{folder.path}{database}: {n_trials} trials, {size(taken(folder.path))}")
    if not yes and not _agreed(len(found)):
        say("nothing was removed")
        return
    freed = sum(remove(folder) for folder in found.values())
    say(f"removed {', '.join(folder.name for folder in found.values())}; {size(freed)} freed")


def _agreed(number: int) -> bool:
    if not sys.stdin.isatty():
        raise StudyError("there is no terminal to ask in; add --yes to remove it")
    question = "remove it for good?" if number == 1 else f"remove these {number} for good?"
    return typer.confirm(question)
