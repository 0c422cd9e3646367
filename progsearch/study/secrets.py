"""Where the secrets of a database's URL come from, if they are not in the URL itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from getpass import getpass

from progsearch.config import StorageUrl
from progsearch.errors import ConfigError

VARIABLE = "PROGSEARCH_STORAGE"
"""The environment variable that holds a whole URL."""

# What a user typed, for this process only; by the URL without its secrets.
_typed: dict[str, dict[str, str]] = {}


def storage_of_environment() -> StorageUrl | None:
    """The URL in ``PROGSEARCH_STORAGE``, if it is set.

    Raises:
        ConfigError: It is not a URL; the message does not show it.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        return StorageUrl(text)
    except ValueError as error:
        raise ConfigError(VARIABLE, [("", str(error))]) from None


def secrets_of(url: StorageUrl) -> Mapping[str, str]:
    """All variables that may fill in a URL: those of the environment and what a user typed.

    ``PROGSEARCH_STORAGE`` counts if it is the URL of the same database.

    Raises:
        ConfigError: ``PROGSEARCH_STORAGE`` is not a URL.
    """
    whole = storage_of_environment()
    given = whole.given if whole is not None and whole.place == url.place else {}
    return {**os.environ, **_typed.get(url.place, {}), **given}


def ask_for(url: StorageUrl) -> bool:
    """Ask at the terminal for the secrets that are missing; returns whether any was typed.

    Without a terminal nobody is asked.
    """
    missing = url.missing(secrets_of(url))
    if not (missing and sys.stdin is not None and sys.stdin.isatty()):
        return False
    typed = {}
    for variable in missing:
        what = variable.removeprefix(f"{VARIABLE}_").lower()
        try:
            typed[variable] = getpass(f"{what} for {url}: ")
        except EOFError:
            return False
    _typed.setdefault(url.place, {}).update(typed)
    return any(typed.values())


def forget(url: StorageUrl) -> None:
    """Forget what a user typed, because it is wrong."""
    _typed.pop(url.place, None)
