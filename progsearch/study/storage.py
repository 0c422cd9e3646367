"""The storage of a study: a journal file or a database.

Only `open_storage` reads the secrets of a database's URL; see `progsearch.config.storage_url` and
`progsearch.study.secrets`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from progsearch.config import StorageUrl
from progsearch.errors import StudyError
from progsearch.extras import install_line
from progsearch.internals.optuna import cached
from progsearch.study.database import PATIENCE, Database
from progsearch.study.journal_file import CheckedJournal
from progsearch.study.patient import PatientStorage
from progsearch.study.secrets import (
    VARIABLE,
    ask_for,
    forget,
    secrets_of,
    storage_of_environment,
)

# Of drivers that reached no server, so that a password would not help.
_NO_SERVER = re.compile(r"refused|unreachable|timed? ?out|resolve|translate host", re.IGNORECASE)


def open_storage(
    url: StorageUrl | None, journal: Path, *, patience: float = PATIENCE, waits: bool = False
) -> BaseStorage:
    """The database at ``url``, or the journal file if there is no URL.

    Secrets that ``url`` does not have are taken from the environment, else asked for at a
    terminal.

    Args:
        url: A database; None for a journal file.
        journal: The file.
        patience: Seconds for which later calls to a database are tried again.
        waits: Try for as long to open it; otherwise an address may just be wrong.

    Raises:
        StudyError: The database cannot be opened; the message shows no secret.
        MachineFailed: It did not answer for too long.
    """
    if url is None:
        return JournalStorage(CheckedJournal(str(journal)))
    database = Database(url, patience)
    if waits:
        # Its secrets are known: this command or the one before has opened it.
        return database.patiently(lambda: _connected(database, is_known=True))
    try:
        return _connected(database)
    except StudyError:
        if not ask_for(url):
            raise
    try:
        return _connected(database)
    except StudyError:
        forget(url)
        raise


def _connected(database: Database, *, is_known: bool = False) -> BaseStorage:
    url = database.url
    secrets = secrets_of(url)
    try:
        return PatientStorage(cached(RDBStorage(url.whole(secrets))), database)
    except ImportError as error:
        reason = url.hide_in(str(error.__cause__ or error), secrets)
        is_postgres = str(url).startswith("postgresql:")
        cure = f"`{install_line('postgres')}`" if is_postgres else "install its package"
        raise StudyError(f"the database {url} needs a driver: {reason}; {cure}") from None
    except Exception as error:
        if is_known and database.outage(error) is not None:
            raise
        # Every database driver has its own errors for a wrong address or password. Their
        # tracebacks may show the password, so none of them is chained.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = url.hide_in(lines[0], secrets)
        missing = url.missing(secrets)
        cure = ""
        if missing and _NO_SERVER.search(reason) is None:
            variables = " and ".join(missing)
            cure = f"; its secrets are not kept: set {variables}, or {VARIABLE} to the whole URL"
        raise StudyError(f"the database {url} cannot be opened: {reason}{cure}") from None


def reminder(url: StorageUrl | None) -> str | None:
    """A sentence on the variables that later commands need; None if all are set."""
    whole = storage_of_environment()
    if url is None or (whole is not None and whole.place == url.place):
        return None
    variables = [name for name in url.variables if name not in os.environ]
    if not variables:
        return None
    return (
        "secrets of the database's URL are not kept; later commands on this study take them from "
        f"{' and '.join(variables)}, or from the whole URL in {VARIABLE}"
    )


def has_study(url: StorageUrl, name: str) -> bool:
    """Whether a database has a study of a name.

    Raises:
        StudyError: It cannot be opened.
    """
    storage = open_storage(url, Path())
    try:
        storage.get_study_id_from_name(name)
    except KeyError:
        return False
    return True


def taken_in(url: StorageUrl, name: str) -> StudyError:
    """The error that a database has a study of a name."""
    return StudyError(
        f"the database {url} already has a study {name}; choose another name with --study NAME"
    )
