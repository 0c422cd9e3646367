"""Folders that belong to a process, and those of dead processes, which nobody removes."""

from __future__ import annotations

import fcntl
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import IO

_OWNER = "owner"
# Locked until this process ends, however it ends.
_locks: list[IO[bytes]] = []


def owned_folder(place: Path, prefix: str) -> Path:
    """A new folder in ``place``; those of this user's dead processes are removed first.

    Args:
        place: The folder to make it in.
        prefix: How the names of such folders begin.
    """
    for folder in place.glob(f"{prefix}*"):
        with suppress(OSError):
            _remove_if_dead(folder)
    made = Path(mkdtemp(prefix=prefix, dir=place))
    # Under another name first: another process must not find it before it is locked.
    waiting = made / f"{_OWNER}.new"
    lock = waiting.open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting.rename(made / _OWNER)
    _locks.append(lock)
    return made


def _remove_if_dead(folder: Path) -> None:
    """Remove a folder if its owner died.

    Raises:
        OSError: It lives, it is another user's, or the folder is not one of `owned_folder`.
    """
    with (folder / _OWNER).open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        rmtree(folder)
