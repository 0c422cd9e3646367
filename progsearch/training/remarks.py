"""Collects what the log says of the data and the model, to be kept as data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class _Collector(logging.Handler):
    """Keeps each message once."""

    def __init__(self, level: int, remarks: list[tuple[int, str]]) -> None:
        super().__init__(level)
        self._remarks = remarks

    def emit(self, record: logging.LogRecord) -> None:
        remark = (record.levelno, record.getMessage())
        if remark not in self._remarks:
            self._remarks.append(remark)


@contextmanager
def collected_remarks(on_data: int = logging.WARNING) -> Iterator[list[tuple[int, str]]]:
    """Collects log records on the data and on weights that do not fit, with their levels.

    Args:
        on_data: The lowest level of those on the data; for weights it is a warning.
    """
    remarks: list[tuple[int, str]] = []
    handlers = [
        (logging.getLogger("progsearch.tasks"), _Collector(on_data, remarks)),
        (logging.getLogger("progsearch.models"), _Collector(logging.WARNING, remarks)),
    ]
    levels = [logger.level for logger, _ in handlers]
    for logger, handler in handlers:
        logger.addHandler(handler)
        logger.setLevel(handler.level)
    try:
        yield remarks
    finally:
        for (logger, handler), level in zip(handlers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def doubts_of(remarks: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """The warnings among collected remarks."""
    return tuple(text for level, text in remarks if level >= logging.WARNING)
