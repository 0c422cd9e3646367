"""The storage of a study (a journal file or a database), and the lock of its only writer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from progsearch.errors import StudyError

_LOCK = ".lock"


def open_storage(url: str | None, journal: Path) -> BaseStorage:
    """The database at ``url``, or the journal file if there is no URL.

    Raises:
        StudyError: The database cannot be opened; the message shows no password.
    """
    if url is None:
        return JournalStorage(JournalFileBackend(str(journal)))
    try:
        return RDBStorage(url)
    except ImportError as error:
        raise StudyError(
            f"the database {without_password(url)} needs a driver: {error}; install its package"
        ) from None
    except Exception as error:
        # Every database driver has its own errors for a wrong address or password.
        reason = str(error).strip().splitlines()[0]
        raise StudyError(
            f"the database {without_password(url)} cannot be opened: {reason}"
        ) from error


def without_password(url: str) -> str:
    """A database URL with its password hidden."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


@contextlib.contextmanager
def try_lock(folder: Path) -> Iterator[bool]:
    """Yields whether this process got the folder's lock; the system releases it at exit."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
