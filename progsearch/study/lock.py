"""The lock of the only writer of a study, and who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

LOCK = ".lock"
"""The file of the lock in a study's folder."""


@dataclass(frozen=True)
class Holder:
    """A process that works in a study.

    Attributes:
        work: What it does, such as ``search``.
        host: The name of its machine.
        process: Its process number there.
        since: When it began, as an ISO date.
    """

    work: str
    host: str
    process: int
    since: str

    @classmethod
    def of(cls, work: str) -> Holder:
        """This process."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        return cls(work, socket.gethostname(), os.getpid(), now)

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        since = datetime.fromisoformat(self.since)
        return max(0.0, (datetime.now().astimezone() - since).total_seconds())

    def __str__(self) -> str:
        """A description, such as ``process 4711 on node-7``."""
        return f"process {self.process} on {self.host}"


@dataclass(frozen=True)
class LockState:
    """Who works in a study.

    Attributes:
        is_held: Whether a process holds the lock. On a disk that several machines share, a process
            of another machine may hold it unseen.
        holder: The last process that took the lock and did not give it back; None if each did.
    """

    is_held: bool
    holder: Holder | None

    @property
    def is_unclear(self) -> bool:
        """Whether only the holder's machine can tell if it still runs."""
        return (
            not self.is_held
            and self.holder is not None
            and self.holder.host != socket.gethostname()
        )


@contextlib.contextmanager
def try_lock(folder: Path, holder: Holder | None = None) -> Iterator[bool]:
    """Yields whether this process got the folder's lock; the system releases it at exit.

    Args:
        folder: The study's folder.
        holder: What others are told of this process; a process that dies leaves it behind.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        if holder is not None:
            _write(descriptor, json.dumps(asdict(holder)))
        try:
            yield True
        finally:
            if holder is not None:
                _write(descriptor, "")
    finally:
        os.close(descriptor)


def lock_state(folder: Path) -> LockState:
    """Who works in the study of a folder; changes nothing there."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return LockState(False, None)
    try:
        is_held = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            is_held = True
        return LockState(is_held, _read(descriptor))
    finally:
        os.close(descriptor)


def _write(descriptor: int, text: str) -> None:
    # The lock works without it, for example on a full disk.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _read(descriptor: int) -> Holder | None:
    """The holder that the file names; None if it names none, or is damaged."""
    try:
        found = Holder(**json.loads(os.pread(descriptor, 10_000, 0)))
        has_zone = datetime.fromisoformat(found.since).tzinfo is not None
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    are_texts = isinstance(found.work, str) and isinstance(found.host, str)
    return found if has_zone and are_texts and type(found.process) is int else None
