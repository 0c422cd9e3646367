"""The storage of a study: a journal file or a database.

Only `open_storage` reads the secrets of a database's URL; see `progsearch.config.storage_url` and
`progsearch.study.secrets`.
"""

from __future__ import annotations

import os
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from progsearch.config import StorageUrl
from progsearch.errors import StudyError
from progsearch.extras import install_line
from progsearch.study.secrets import (
    VARIABLE,
    ask_for,
    forget,
    secrets_of,
    storage_of_environment,
)


def open_storage(url: StorageUrl | None, journal: Path) -> BaseStorage:
    """The database at ``url``, or the journal file if there is no URL.

    Secrets that ``url`` does not have are taken from the environment, else asked for at a
    terminal.

    Raises:
        StudyError: The database cannot be opened; the message shows no secret.
    """
    if url is None:
        return JournalStorage(JournalFileBackend(str(journal)))
    try:
        return _connected(url)
    except StudyError:
        if not ask_for(url):
            raise
    try:
        return _connected(url)
    except StudyError:
        forget(url)
        raise


def _connected(url: StorageUrl) -> BaseStorage:
    secrets = secrets_of(url)
    try:
        return RDBStorage(url.whole(secrets))
    except ImportError as error:
        reason = url.hide_in(str(error.__cause__ or error), secrets)
        is_postgres = str(url).startswith("postgresql:")
        cure = f"`{install_line('postgres')}`" if is_postgres else "install its package"
        raise StudyError(f"the database {url} needs a driver: {reason}; {cure}") from None
    except Exception as error:
        # Every database driver has its own errors for a wrong address or password. Their
        # tracebacks may show the password, so none of them is chained.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = url.hide_in(lines[0], secrets)
        missing = url.missing(secrets)
        cure = ""
        if missing:
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


def check_storage_is_free(url: StorageUrl, name: str) -> None:
    """Check that a database can be opened and has no study of a name.

    Raises:
        StudyError: It cannot be opened, or has one.
    """
    storage = open_storage(url, Path())
    try:
        storage.get_study_id_from_name(name)
    except KeyError:
        return
    raise StudyError(
        f"the database {url} already has a study {name}; choose another name with --study NAME"
    )
