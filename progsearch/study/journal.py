"""Repairs a journal file whose writer was killed."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

# Other writers (Optuna's dashboard keeps notes) hold the lock for milliseconds.
_LOCK_PATIENCE = 2.0


def repair_journal(path: Path) -> None:
    """Cut off a last line that was not written whole, and remove a lock that nobody holds.

    Optuna reads a journal with a torn last line and then fails on every write to it; for a lock
    that a killed writer left it waits 30 seconds. Only for the one process that searches.
    """
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + _LOCK_PATIENCE
    while lock.is_symlink() and time.monotonic() < deadline:
        time.sleep(0.05)
    # It may still go by itself in this moment.
    with suppress(FileNotFoundError):
        lock.unlink()
    with path.open("r+b") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
