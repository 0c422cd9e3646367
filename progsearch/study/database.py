"""Databases that do not answer for a while: which errors are that, and how to wait."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from progsearch.config import StorageUrl
from progsearch.errors import MachineFailed
from progsearch.numerals import duration
from progsearch.study.secrets import secrets_of

PATIENCE = 300.0
"""Seconds for which calls are tried again by default."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """A database that may restart while it is used.

    Attributes:
        url: Where it is.
        patience: Seconds for which a call is tried again.
    """

    url: StorageUrl
    patience: float

    def outage(self, error: BaseException) -> str | None:
        """The reason, if a call failed because the database does not answer now; else None.

        Raises:
            MachineFailed: It is a file, which cannot be used; waiting would not help.
        """
        from sqlalchemy import exc

        link: BaseException | None = error
        while link is not None:
            if isinstance(link, exc.TimeoutError):
                return self._shown(link)
            if isinstance(link, exc.OperationalError | exc.InterfaceError) or (
                isinstance(link, exc.DBAPIError) and link.connection_invalidated
            ):
                reason = self._shown(link.orig or link)
                if isinstance(link.orig, sqlite3.Error) and "locked" not in reason:
                    raise MachineFailed(
                        f"the database {self.url} cannot be used: {reason}"
                    ) from None
                return reason
            link = link.__cause__ or link.__context__
        return None

    def pauses(self) -> Iterator[float]:
        """Growing pauses between tries, in seconds."""
        pause = _FIRST_PAUSE
        while True:
            yield pause
            pause = min(2 * pause, _LONGEST_PAUSE)

    def patiently(self, call: Callable[[], T]) -> T:
        """The result of a call that may be made twice, tried until the patience ends.

        Raises:
            MachineFailed: The database does not answer.
        """
        began = time.monotonic()
        is_told = False
        for pause in self.pauses():
            try:
                result = call()
            except Exception as error:
                reason = self.outage(error)
                if reason is None:
                    raise
                if time.monotonic() - began >= self.patience:
                    raise self.failure(reason) from None
                if not is_told:
                    _log.warning("%s does not answer and is tried again: %s", self.url, reason)
                is_told = True
                time.sleep(pause)
            else:
                return result
        raise AssertionError("the pauses never end")

    def failure(self, reason: str) -> MachineFailed:
        """The error that ends a command after the patience."""
        return MachineFailed(f"{self.complaint(reason)}; try again once it answers")

    def complaint(self, reason: str) -> str:
        """Says that it did not answer during the patience."""
        return f"the database {self.url} did not answer for {duration(self.patience)} ({reason})"

    def _shown(self, error: BaseException) -> str:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return self.url.hide_in(lines[0], secrets_of(self.url))
