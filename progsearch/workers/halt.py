"""Ends a search or a confirmation early: its time is up or the user stops it.

It never stops single trials; see `progsearch.strategy.judgement` for what does.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.tune import Stopper

from progsearch.signals import TO_GROUPS, Stopped, handled_by
from progsearch.study.view import Ending


class Halt(Stopper):  # type: ignore[misc]
    """Decides whether the work must end.

    Args:
        seconds: The time limit; None if there is no limit.

    Attributes:
        workers_gone: Whether no worker is left, so that Tune need not wait for any.
        gpus: The GPUs that its trials use, if their hours are limited.
        signal: The signal that ends the work, if one came.
    """

    def __init__(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self.signal: int | None = None
        self.workers_gone = False
        self.gpus: GpuClock | None = None

    @property
    def ending(self) -> Ending | None:
        """Why the work must end; None while it may continue."""
        if self.signal is not None:
            return "interrupted"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "time limit"
        if self.gpus is not None and self.gpus.is_up:
            return "GPU hours"
        return None

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never stops a single trial; `Judgement` decides that."""
        return False

    def stop_all(self) -> bool:
        """Whether Tune must end.

        It waits ten seconds for each busy worker, so the workers must be gone before.
        """
        return self.ending is not None and self.workers_gone

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While active, the first Ctrl-C (or SIGTERM) ends the work, the second this process.

        The same holds for the signals by which terminals and batch systems announce the end.
        """

        def handle(number: int, frame: Any) -> None:
            if self.signal is not None:
                raise Stopped(number)
            self.signal = number

        with handled_by(handle):
            yield


@contextmanager
def signals_kept_from_children() -> Iterator[None]:
    """While active, newly started processes block the signals sent to the whole group.

    A closed terminal and a batch system signal every process of a search. Ray's daemons would be
    killed before the search can end. This process still gets the signals.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TO_GROUPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class GpuClock:
    """Counts the time that trials hold GPUs.

    Args:
        hours: The limit in GPU hours.
        per_trial: The GPUs of a trial; a fraction if several share one.
    """

    def __init__(self, hours: float, per_trial: float) -> None:
        self._seconds = hours * 3600
        self._per_trial = per_trial
        self._since: dict[str, float] = {}
        self._spent = 0.0

    def start(self, trial_id: str) -> None:
        """A trial got its GPUs."""
        self._since[trial_id] = time.monotonic()

    def stop(self, trial_id: str) -> None:
        """A trial returned its GPUs."""
        self._spent += self._per_trial * (time.monotonic() - self._since.pop(trial_id))

    @property
    def is_up(self) -> bool:
        """Whether all hours are used, those of the running trials so far included."""
        now = time.monotonic()
        running = sum(now - since for since in self._since.values())
        return self._spent + self._per_trial * running >= self._seconds
