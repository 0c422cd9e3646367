"""Repairs a journal file whose writer was killed."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

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
