"""A journal file of which each line has a checksum, so that no damaged number is read."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from optuna.storages.journal import JournalFileBackend

from progsearch.cache import checksum

_CHECK = "check"


class CheckedJournal(JournalFileBackend):
    """Optuna's journal file with a further key in each line, which other readers ignore.

    A changed bit that leaves valid JSON would otherwise give another number without a word. Lines
    of other writers, such as Optuna's dashboard and earlier versions, have no checksum and are
    taken as they are.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines."""
        super().append_logs([log | {_CHECK: checksum(log)} for log in logs])

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The lines from a number on.

        Raises:
            ValueError: A line is damaged.
        """
        for log in super().read_logs(log_number_from):
            if not is_intact(log):
                raise ValueError("the checksum of a line is wrong")
            yield log


def is_intact(log: Any) -> bool:
    """Whether the content of a line is what was written, as far as it tells."""
    if not isinstance(log, dict):
        return False
    if _CHECK not in log:
        return True
    return bool(log[_CHECK] == checksum({k: v for k, v in log.items() if k != _CHECK}))
