"""Notices that Ray is gone or that nothing moves any more, and then ends what waits for it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from progsearch.errors import MachineFailed
from progsearch.internals.ray import CONTROL_SERVICE, Place, listening_places
from progsearch.numerals import duration

# Ray's daemons are asked this often, and are gone if they do not answer for so long.
_SECONDS_BETWEEN, _SECONDS_TO_ANSWER = 2.0, 10.0
# The main thread is expected to leave Ray in this time, once it is interrupted.
_SECONDS_TO_HEAR = 30.0
# How long the control service may take to answer again, once it is started again.
_SECONDS_TO_COME_BACK = 15.0
# Nothing moves if no run reports for so many times the longest time that one took to do so.
_TIMES_SLOWEST, _LEAST_SECONDS = 20, 600.0
# Without a handler it does nothing, so that one that comes late does no harm.
_SIGNAL = signal.SIGURG

_log = logging.getLogger(__name__)


class RayLost(Exception):
    """Ray's own processes are gone; the message says which."""


class Stuck(Exception):
    """Nothing moves any more, for no known reason."""


class Watch:
    """Watches, from a thread, whether Ray lives and whether runs report.

    Args:
        comes_back: Says whether Ray's control service is started again if it does not answer.
        patience: For how many seconds a cluster's control service is waited for. Meanwhile Ray
            tries to connect again, and runs go on.
        saved: Says what is saved and how to continue, if this process must end here.

    Attributes:
        trouble: What is wrong; None while all is well.
    """

    def __init__(
        self,
        comes_back: Callable[[], bool] = lambda: False,
        *,
        patience: float = 0.0,
        saved: str = "",
    ) -> None:
        self.trouble: RayLost | Stuck | None = None
        self._over = threading.Event()
        self._is_saving = False
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._comes_back = comes_back
        self._patience = patience
        self._gone_since: float | None = None
        self._saved = saved
        self._since: dict[str, float] = {}
        self._slowest: float | None = None
        self._latest = time.monotonic()
        # Learned while Ray lives; afterwards it may not be asked.
        self._places = listening_places()

    # -- what is told ------------------------------------------------------------------------

    def began(self, trial_id: str) -> None:
        """A run was handed out."""
        with self._lock:
            self._since[trial_id] = self._latest = time.monotonic()

    def reported(self, trial_id: str) -> None:
        """A run reported, or has ended by itself."""
        with self._lock:
            now = time.monotonic()
            took = now - self._since.get(trial_id, now)
            self._slowest = max(took, self._slowest or 0.0)
            self._since[trial_id] = self._latest = now

    def ended(self, trial_id: str) -> None:
        """A run is over, in any way."""
        with self._lock:
            self._since.pop(trial_id, None)
            self._latest = time.monotonic()

    # -- what it finds -----------------------------------------------------------------------

    def look(self) -> RayLost | Stuck | None:
        """Find out whether something is wrong now; also sets `trouble`."""
        with self._looking:
            if self.trouble is None:
                gone = anyone_gone(self._places)
                if gone is not None and not self._waits(gone):
                    self.trouble = RayLost(f"{gone} does not answer any more")
                elif gone is None:
                    self._gone_since = None
                    silence = self._silence()
                    self.trouble = None if silence is None else Stuck(silence)
            return self.trouble

    def _waits(self, gone: str) -> bool:
        """Whether the control service may still come back.

        Without Ray's daemon on this machine (both are gone with the head of a cluster), this
        process cannot go on in the same connection.
        """
        others = [place for place in self._places if place[0] != CONTROL_SERVICE]
        patience = _SECONDS_TO_COME_BACK if self._comes_back() else self._patience
        if gone != CONTROL_SERVICE or not patience or anyone_gone(others):
            return False
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = now
            _log.warning("%s does not answer; waiting for it", gone)
        return now - self._gone_since < patience

    def _silence(self) -> str | None:
        """Says that nothing moves; None if something does, or before it is known how long is long.

        The first report of a search may take any time: a large model's epoch takes hours.
        """
        with self._lock:
            if not self._since or self._slowest is None:
                return None
            silent = time.monotonic() - self._latest
            if silent < max(_LEAST_SECONDS, _TIMES_SLOWEST * self._slowest):
                return None
            return (
                f"no run has reported for {duration(silent)}, though none took longer than "
                f"{duration(self._slowest)} before"
            )

    # -- the thread --------------------------------------------------------------------------

    @contextmanager
    def active(self) -> Iterator[None]:
        """While active, trouble interrupts the main thread with a `KeyboardInterrupt`.

        What waits inside Ray cannot be left in another way, and Ray lets no other exception pass.
        In another thread than the main one nothing is interrupted.
        """
        thread = threading.Thread(target=self._watch, name="progsearch-watch", daemon=True)
        with _interrupting(self._interrupt):
            thread.start()
            try:
                yield
            finally:
                self.stop()
                thread.join()

    def stop(self) -> None:
        """Interrupt nothing any more."""
        self._over.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While active, nothing is interrupted, so that what is being saved is saved."""
        self._is_saving = True
        try:
            yield
        finally:
            self._is_saving = False

    def _interrupt(self) -> None:
        if not (self._is_saving or self._over.is_set()):
            raise KeyboardInterrupt

    def _watch(self) -> None:
        found = 0.0
        while not self._over.wait(_SECONDS_BETWEEN):
            if self.look() is None:
                continue
            if not found or self._is_saving:
                found = time.monotonic()
            # Again and again: Python drops exceptions in some places, and what is being saved is
            # not interrupted.
            signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
            if time.monotonic() - found > _SECONDS_TO_HEAR:
                self._end_here()

    def _end_here(self) -> None:
        """End this process, whose main thread waits inside Ray for a service that is gone.

        Ray would do the same a little later, without a word of what is saved.
        """
        print(f"error: {self.trouble}; {self._saved}", file=sys.stderr, flush=True)
        os._exit(MachineFailed.exit_code)


def anyone_gone(places: Sequence[tuple[str, Place]] | None = None) -> str | None:
    """The name of one of Ray's daemons that does not answer; None if all do.

    Args:
        places: As `listening_places` gives them, which is the default.
    """
    asked = listening_places() if places is None else places
    return next((name for name, place in asked if not _answers(place)), None)


@contextmanager
def _interrupting(interrupt: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(_SIGNAL, lambda number, frame: interrupt())
    try:
        yield
    finally:
        signal.signal(_SIGNAL, before)


def _answers(place: Place) -> bool:
    """Whether something listens at a host's port or at a socket's path."""
    try:
        if isinstance(place, str):
            with socket.socket(socket.AF_UNIX) as asked:
                asked.settimeout(_SECONDS_TO_ANSWER)
                asked.connect(place)
        else:
            with socket.create_connection(place, timeout=_SECONDS_TO_ANSWER):
                pass
    except OSError:
        return False
    return True
