"""Whether anything works in a study, and the command that continues it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from progsearch.numerals import duration
from progsearch.report.data import StudyReport
from progsearch.study.folder import StudyFolder
from progsearch.study.lock import lock_state
from progsearch.study.progress import left_of

Activity = Literal["running", "unclear", "died", "stopped", "finished"]


@dataclass(frozen=True)
class Doing:
    """Whether anything works in a study, and how it continues.

    Attributes:
        activity: ``unclear`` if only another machine can tell; ``died`` if a process was killed;
            ``stopped`` if it was interrupted or failed and something is left to do.
        sentence: Says so.
        command: The command that continues the study; None while it runs.
        process: The process that works in it or died, with its ``work``, ``host`` and ``since``.
    """

    activity: Activity
    sentence: str
    command: str | None
    process: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data, for `progsearch status --json`."""
        return {"activity": self.activity, "process": self.process, "continue": self.command}


def doing(report: StudyReport, folder: StudyFolder) -> Doing:
    """Whether anything works in a study; read from its lock and its trials."""
    lock = lock_state(folder.path)
    holder = lock.holder
    process = None if holder is None else asdict(holder)
    begun = "" if holder is None else f"{holder.work} by {holder}, begun {holder.since}"
    command = folder.resume_line
    if lock.is_held:
        ago = "" if holder is None else f", {begun} ({duration(holder.seconds)} ago)"
        return Doing("running", f"running{ago}", None, process)
    if lock.is_unclear:
        sentence = f"it may be running on another machine: {begun}; if not: `{command}`"
        return Doing("unclear", sentence, command, process)
    if holder is not None:
        if holder.work != "search":
            command = command.replace("resume", "confirm", 1) + " --seeds K"
        sentence = f"not running: {begun}, died; all results so far are saved, continue with"
        return Doing("died", f"{sentence} `{command}`", command, process)
    if left_of(report.trials, report.recipe, report.info).is_nothing:
        command += " --budget N"
        return Doing("finished", f"finished; search on with `{command}`", command, None)
    return Doing("stopped", f"not running; continue with `{command}`", command, None)
