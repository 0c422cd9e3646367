"""Sends what the libraries have to say to a file instead of the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

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
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
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
    """Within it this process's libraries log to the study's file and not to the terminal."""
    log = StudyLog()
    loggers = [logging.getLogger(name) for name in _LEVELS]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    # Whoever listens to progsearch itself goes on doing so.
    _send_to(log.handler, also=logging.getLogger("progsearch").handlers)
    try:
        with _raylet_messages_logged():
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


def _send_to(handler: logging.Handler, also: list[logging.Handler]) -> None:
    for name, level in _LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers = [handler, *also] if name == "progsearch" else [handler]
        logger.propagate = False
        logger.setLevel(level)
    logging.captureWarnings(True)


def _file_handler(path: Path) -> logging.FileHandler:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    return handler


@contextmanager
def _raylet_messages_logged() -> Iterator[None]:
    """Within it messages of Ray's daemon ("a worker died") are logged.

    Ray prints them to stdout from a thread, whatever ``log_to_driver`` says, which would break
    the output of ``--json``.
    """
    from ray._private import worker

    def to_log(data: dict[str, Any], ignore_prefix: bool) -> None:
        for line in data["lines"]:
            _log.warning("%s: %s", data["pid"], line)

    original = worker.print_to_stdstream
    worker.print_to_stdstream = to_log
    try:
        yield
    finally:
        worker.print_to_stdstream = original
