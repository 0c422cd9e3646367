"""The signals by which a user, a terminal or a batch system ends a command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from progsearch.errors import Interrupted

# Sent by a closed terminal and by batch systems before the time limit, to the process group.
TO_GROUPS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *TO_GROUPS)
# Signals for which `Stopped` was raised and has not arrived yet.
_under_way: list[int] = []
# What shells and batch systems expect of a process that such a signal ended.
_EXIT_CODES: dict[int | None, int] = {signal.SIGTERM: 143, signal.SIGHUP: 129}


class Stopped(BaseException):
    """A signal ends what this process does.

    Not an `Exception`, which libraries catch, and no `KeyboardInterrupt`, for which typer has an
    exit code of its own.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def interrupted(message: str, number: int | None) -> Interrupted:
    """The error that ends a command after a signal (by default that of Ctrl-C)."""
    error = Interrupted(message)
    error.exit_code = _EXIT_CODES.get(number, Interrupted.exit_code)
    return error


@contextmanager
def handled_by(handle: Callable[[int, Any], None]) -> Iterator[None]:
    """While active, ``handle`` gets the signals that end a command.

    That includes an earlier one that was lost, as `stopped_by_signals` explains.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {}
    for kind in _SIGNALS:
        # Under `nohup`, SIGHUP is ignored and must stay so.
        if kind != signal.SIGHUP or signal.getsignal(kind) != signal.SIG_IGN:
            before[kind] = signal.signal(kind, handle)
    try:
        if _under_way:
            handle(_under_way.pop(), None)
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """While active, a signal raises `Stopped` wherever the process is.

    Python drops exceptions in a few places, such as in its own work after a fork. Then `Stopped`
    is raised at the end, unless signals are handled in another way before.
    """

    def handle(number: int, frame: Any) -> None:
        _under_way.append(number)
        raise Stopped(number)

    try:
        with handled_by(handle):
            yield
            if _under_way:
                raise Stopped(_under_way[0])
    finally:
        _under_way.clear()


@contextmanager
def finishing(message: str) -> Iterator[None]:
    """While active, what is begun is finished at the first signal; the second stops at once.

    Raises:
        Interrupted: There was a signal; raised at the end, with ``message``.
    """
    first: list[int] = []

    def handle(number: int, frame: Any) -> None:
        if first:
            raise Stopped(number)
        first.append(number)

    try:
        with handled_by(handle):
            yield
    except Stopped as stop:
        raise interrupted(message, stop.number) from None
    if first:
        raise interrupted(message, first[0])
