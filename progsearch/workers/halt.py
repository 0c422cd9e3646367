"""Ends a search before its budget does: when its time is up or someone stops it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial

from progsearch.study.view import Ending


class Halt(Stopper):  # type: ignore[misc]
    """Says whether the search must end.

    Args:
        seconds: Until its time is up; None where it has all the time.

    Attributes:
        gpus: The GPUs that its trials use, where their hours are limited.
    """

    def __init__(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._interrupted = False
        self.workers_gone = False
        self.gpus: GpuClock | None = None

    @property
    def ending(self) -> Ending | None:
        """Why the search must end; None while it may go on."""
        if self._interrupted:
            return "interrupted"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "time limit"
        if self.gpus is not None and self.gpus.is_up:
            return "GPU hours"
        return None

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never stops a single trial."""
        return False

    def stop_all(self) -> bool:
        """Whether Tune is to end.

        It waits ten seconds for each busy worker, so the workers must be gone before.
        """
        return self.ending is not None and self.workers_gone

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within it the first Ctrl-C (or SIGTERM) ends the search, a second one this process."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may have handlers
            return

        def handle(number: int, frame: Any) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        before = {kind: signal.signal(kind, handle) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


class GpuClock:
    """Counts the time that trials hold GPUs.

    Args:
        hours: How many GPU hours there are.
        per_trial: GPUs of a trial; a fraction where several share one.
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
        """A trial gave them back."""
        self._spent += self._per_trial * (time.monotonic() - self._since.pop(trial_id))

    @property
    def is_up(self) -> bool:
        """Whether all hours are used, those of the running trials so far included."""
        now = time.monotonic()
        running = sum(now - since for since in self._since.values())
        return self._spent + self._per_trial * running >= self._seconds


class WorkerWatch(Callback):  # type: ignore[misc]
    """Kills the workers at a halt, and says why a worker died otherwise.

    A worker would finish its epoch before it heard of a halt. Killing it loses nothing: what it
    has not reported is run again, and nothing that it writes is left half written.
    """

    def __init__(self, halt: Halt, died: Callable[[str, str], None]) -> None:
        self._halt = halt
        self._died = died

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Kill the workers once the search must end."""
        if self._halt.ending is None:
            return
        actors = [t.temporary_state.ray_actor for t in trials if not t.is_finished()]
        busy = [actor for actor in actors if actor is not None]
        for actor in busy:
            ray.kill(actor)
        self._halt.workers_gone = not busy

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial's worker is gone."""
        self._died(trial.trial_id, _reason(trial))


def _reason(trial: Trial) -> str:
    try:
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except (OSError, TypeError):
        return "the worker process died"
    _, _, detail = str(error).partition("Worker exit detail: ")
    detail, _, _ = detail.partition("Some common causes")
    if detail:
        return f"the worker process died: {detail.strip()}"
    return f"the worker process died: {str(error).strip().splitlines()[-1]}"
