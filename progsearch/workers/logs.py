"""Sends the libraries' logs to a file instead of the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path

from progsearch.internals.ray import daemon_messages

_LEVELS = {
    "progsearch": logging.INFO,
    "py.warnings": logging.WARNING,
    "ray": logging.WARNING,
    # Tune misses the result files that it was told not to write.
    "ray.tune.analysis": logging.ERROR,
    "optuna": logging.WARNING,
    "transformers": logging.WARNING,
    "datasets": logging.WARNING,
    "peft": logging.WARNING,
}
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(trial)s%(message)s"
_log = logging.getLogger(__name__)


class StudyLog:
    """Collects log records until the study has a file for them."""

    def __init__(self) -> None:
        self.handler = MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1)
        self._file: logging.FileHandler | None = None

    def write_to(self, path: Path) -> None:
        """From here on write to ``path``, what was collected first."""
        self._file = _file_handler(path)
        self.handler.setTarget(self._file)
        self.handler.capacity = 1
        self.handler.flush()

    def close(self) -> None:
        """Give the file back."""
        self.handler.close()
        if self._file is not None:
            self._file.close()


@contextmanager
def study_log() -> Iterator[StudyLog]:
    """While active, this process's libraries log to the study's file, not to the terminal."""
    log = StudyLog()
    loggers = [logging.getLogger(name) for name in _LEVELS]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    # Other handlers of progsearch's own log are kept.
    _send_to(log.handler, also=logging.getLogger("progsearch").handlers)
    try:
        with daemon_messages(_log_daemon):
            yield log
    finally:
        logging.captureWarnings(False)
        for logger, state in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = state[:2]
            logger.setLevel(state[2])
        log.close()


def log_to(path: str) -> None:
    """Log what happens in this worker to ``path``, for as long as the process lives.

    On another machine of a cluster there is no such folder: there Ray's own logs hold it.
    """
    if Path(path).parent.is_dir():
        _send_to(_file_handler(Path(path)), also=[])


def name_trial(number: int) -> None:
    """From here on what is logged in this worker carries the number of its trial: ``#7 ...``."""
    _Formatter.trial = f"#{number} "


class _Formatter(logging.Formatter):
    """Begins each message with the trial of this process, if it has one."""

    trial = ""

    def format(self, record: logging.LogRecord) -> str:
        record.trial = self.trial
        return super().format(record)


def _send_to(handler: logging.Handler, also: list[logging.Handler]) -> None:
    for name, level in _LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers = [handler, *also] if name == "progsearch" else [handler]
        logger.propagate = False
        logger.setLevel(level)
    logging.captureWarnings(True)


def _file_handler(path: Path) -> logging.FileHandler:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Formatter(_FORMAT))
    return handler


def _log_daemon(who: str, line: str) -> None:
    _log.warning("%s: %s", who, line)
