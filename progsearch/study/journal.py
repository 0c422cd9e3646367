"""Repairs a journal file whose writer was killed, and says where one is damaged."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import suppress
from pathlib import Path

from progsearch.errors import StudyError
from progsearch.internals.optuna import ADDS_TRIAL
from progsearch.study.journal_file import is_intact

# Other writers, such as Optuna's dashboard, hold the lock for milliseconds.
_LOCK_PATIENCE = 2.0


def repair_journal(path: Path) -> None:
    """Remove an incomplete last line, and a lock that no process holds.

    Optuna can read a journal with an incomplete last line, but then fails on every write. It waits
    30 seconds for a lock that a killed writer left. Only the process that searches may call this.
    """
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + _LOCK_PATIENCE
    while lock.is_symlink() and time.monotonic() < deadline:
        time.sleep(0.05)
    # Its owner may remove it at this moment.
    with suppress(FileNotFoundError):
        lock.unlink()
    with path.open("r+b") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def damaged(path: Path, resume_line: str) -> StudyError:
    """The error for a journal that cannot be read.

    Args:
        path: The journal.
        resume_line: The command that resumes its study.
    """
    number = _first_damaged(path)
    if number is None:
        return StudyError(
            f"{path} holds no readable study; restore it from a copy, or delete the folder and "
            "run the study again"
        )
    good, whole = shlex.quote(f"{path}.good"), shlex.quote(str(path))
    return StudyError(
        f"line {number} of {path} is damaged; restore it from a copy, or keep the lines before it "
        f"with `head -n {number - 1} {whole} > {good} && mv {good} {whole}` and train the rest "
        f"again with `{resume_line}`"
    )


def _first_damaged(path: Path) -> int | None:
    """The number of the first line that is no change of a study, from 1.

    None if there is none, or if no trial is before it.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None
    has_trials = False
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        try:
            log = json.loads(line)
            code = int(log["op_code"])
            is_damaged = not is_intact(log)
        except (ValueError, TypeError, LookupError, RecursionError):
            is_damaged = True
        if is_damaged:
            return number if has_trials else None
        has_trials = has_trials or code == ADDS_TRIAL
    return None
