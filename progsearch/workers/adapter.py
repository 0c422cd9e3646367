"""Ray Tune, set up to run what a `TrialSource` hands out.

Tune calls three objects: a searcher (the next trial, ended trials), a scheduler (whether a trial
continues) and callbacks (dead workers). Here all three delegate to one `_Adapter`, which talks to
the source and checks the halt and the GPU clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from ray.tune import Callback, ProgressReporter
from ray.tune.error import TuneError
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from progsearch.internals.ray import (
    actor_of,
    death_of,
    every_death_is_of_one_worker,
    memory_at_kill,
)
from progsearch.strategy.source import (
    WAIT,
    Assignment,
    Decision,
    Ended,
    Failed,
    Lost,
    Message,
    Progress,
    Stopped,
    TrialSource,
)
from progsearch.study.folder import StudyFolder
from progsearch.study.trial import LOST
from progsearch.study.view import Ending
from progsearch.workers.cluster import Machines
from progsearch.workers.halt import Halt
from progsearch.workers.loggers import loggers_of
from progsearch.workers.watch import Watch
from progsearch.workers.worker import TrialWorker, WorkerSettings


def run_source(
    source: TrialSource,
    name: str,
    folder: StudyFolder,
    fit: Machines,
    halt: Halt,
    note: Callable[[str], None],
    saved: str,
) -> Ending:
    """Train what ``source`` hands out until it has no more, or until the halt.

    Args:
        source: Hands out runs and keeps what comes of them.
        name: Of this session, new in the study.
        folder: The study; Tune keeps its state there.
        fit: The machines, and the resources of each run.
        halt: Heeds Ctrl-C meanwhile.
        note: Shows a sentence to the user.
        saved: Says what is saved and how to continue, if this process must be ended.

    Returns:
        Why it ended.

    Raises:
        RayLost: Ray is gone. Once it is back, this may be called again with the same source.
        Stuck: Nothing moves any more.
    """
    watch = Watch(
        (lambda: False) if fit.control is None else fit.control.comes_back,
        patience=0.0 if folder.recipe.address is None else folder.recipe.reconnect,
        saved=saved,
    )
    adapter = _Adapter(source, WorkerSettings.of(folder), fit.parallel, halt, watch)
    loggers = loggers_of(folder, note)
    try:
        with (
            halt.on_signals(),
            every_death_is_of_one_worker(),
            adapter.errors_of_source(),
            watch.active(),
        ):
            _tune(adapter, name, folder, fit, halt, loggers)
    except (KeyboardInterrupt, Exception):
        # An error may come from Ray's end before the watch has found that.
        if watch.look() is None:
            raise
    finally:
        watch.stop()
    if watch.trouble is not None:
        adapter.all_lost(watch.trouble)
        raise watch.trouble
    ending = halt.ending or adapter.ending
    assert ending is not None, "Tune ends after the last trial or at a halt"
    return ending


def _tune(
    adapter: _Adapter,
    name: str,
    folder: StudyFolder,
    fit: Machines,
    halt: Halt,
    loggers: Sequence[Callback],
) -> None:
    tune.run(
        TrialWorker,
        name=name,
        storage_path=str(folder.ray),
        search_alg=_Searcher(adapter),
        scheduler=_Scheduler(adapter),
        num_samples=-1,
        resources_per_trial=tune.PlacementGroupFactory(
            [fit.process] * fit.ranks, strategy=fit.strategy
        ),
        reuse_actors=True,
        stop=halt,
        callbacks=[_WorkerWatch(adapter, halt), *loggers],
        raise_on_failed_trial=False,
        progress_reporter=_NoReport(),
        trial_name_creator=_trial_name,
        trial_dirname_creator=_trial_name,
        verbose=0,
    )


@dataclass
class _Active:
    """An assignment that a worker has, and whether its source stopped it."""

    assignment: Assignment
    stopped: bool = False


class _Adapter:
    """Connects a source with the trials of Tune.

    Args:
        source: Hands out runs.
        settings: Settings of every worker.
        parallel: Number of runs at once. No more are handed out, so that each is chosen with
            all available results.
        halt: Asked before a run is handed out.
        watch: Told what runs and reports.

    Attributes:
        ending: Why the source hands out no more runs; None while it does.
    """

    def __init__(
        self,
        source: TrialSource,
        settings: WorkerSettings,
        parallel: int,
        halt: Halt,
        watch: Watch,
    ) -> None:
        self.ending: Ending | None = None
        self._source = source
        self._settings = settings
        self._parallel = parallel
        self._halt = halt
        self._watch = watch
        self._active: dict[str, _Active] = {}
        self._error: Exception | None = None

    @contextmanager
    def errors_of_source(self) -> Iterator[None]:
        """While active, an error of the source is raised unchanged, such as a full disk.

        Tune would only raise its own error with the whole traceback as text.
        """
        try:
            yield
        except TuneError:
            if self._error is None:
                raise
            raise self._error from None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with self._watch.waiting():
                yield
        except Exception as error:
            self._error = error
            raise

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The config of the next trial; None while it must wait, ``FINISHED`` at the end."""
        if self._halt.ending is not None or self._watch.trouble is not None:
            return str(Searcher.FINISHED)
        if len(self._active) >= self._parallel:
            return None
        with self._asking():
            found = self._source.next()
        if found is WAIT:
            return None
        if isinstance(found, Ended):
            self.ending = found.ending
            return str(Searcher.FINISHED)
        self._active[trial_id] = _Active(found)
        self._watch.began(trial_id)
        if self._halt.gpus is not None:
            self._halt.gpus.start(trial_id)
        return {"assignment": found, "settings": self._settings}

    def reported(self, trial_id: str, message: Message) -> Decision:
        """A worker sent a message; the last one of a run goes to `completed` only."""
        assert isinstance(message, Progress), "Tune does not ask about a trial's last message"
        active = self._active[trial_id]
        self._watch.reported(trial_id)
        with self._asking():
            decision = self._source.report(active.assignment, message)
        active.stopped = decision is Decision.STOP
        return decision

    def completed(self, trial_id: str, message: Message | None) -> None:
        """A trial is over, for Tune; ``message`` is the last that its worker sent."""
        if message is not None:
            self._watch.reported(trial_id)
        active = self._release(trial_id)
        with self._asking():
            if active.stopped:
                self._source.ended(active.assignment, Stopped())
            elif message is not None and not isinstance(message, Progress):
                self._source.ended(active.assignment, message)
        # Otherwise Tune interrupted it; the source handles that in `close`.

    def died(self, trial_id: str, how: Lost | Failed) -> None:
        """A worker is gone; at a halt all of them are, which says nothing.

        If Ray is gone, too, `all_lost` follows.
        """
        if self._watch.look() is not None:
            return
        active = self._release(trial_id)
        if self._halt.ending is None:
            with self._asking():
                self._source.ended(active.assignment, how)

    def all_lost(self, trouble: Exception) -> None:
        """All workers are gone."""
        for trial_id in list(self._active):
            active = self._release(trial_id)
            if self._halt.ending is None:
                with self._asking():
                    self._source.ended(active.assignment, Lost(f"{LOST}: {trouble}"))

    def _release(self, trial_id: str) -> _Active:
        if self._halt.gpus is not None:
            self._halt.gpus.stop(trial_id)
        self._watch.ended(trial_id)
        return self._active.pop(trial_id)


class _Searcher(Searcher):  # type: ignore[misc]
    """Gives trials to Tune and is notified when they end."""

    def __init__(self, adapter: _Adapter) -> None:
        super().__init__()
        self._adapter = adapter

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self._adapter.suggest(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        # Tune reports the reason of an error only to callbacks.
        if not error:
            self._adapter.completed(trial_id, (result or {}).get("message"))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study holds all there is."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the study holds all there is."""


class _Scheduler(FIFOScheduler):  # type: ignore[misc]
    """Asked by Tune after each message whether a trial continues."""

    def __init__(self, adapter: _Adapter) -> None:
        super().__init__()
        self._adapter = adapter

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        decision = self._adapter.reported(trial.trial_id, result["message"])
        return str(self.STOP if decision is Decision.STOP else self.CONTINUE)


class _WorkerWatch(Callback):  # type: ignore[misc]
    """Kills the workers at a halt, and reports why other workers died.

    A worker would finish its epoch before it was told of a halt. Killing it loses nothing: what it
    has not reported is run again, and nothing that it writes is left half written.
    """

    def __init__(self, adapter: _Adapter, halt: Halt) -> None:
        self._adapter = adapter
        self._halt = halt

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Kill the workers once the work must end."""
        if self._halt.ending is None:
            return
        actors = [actor_of(trial) for trial in trials if not trial.is_finished()]
        busy = [actor for actor in actors if actor is not None]
        for actor in busy:
            ray.kill(actor)
        self._halt.workers_gone = not busy

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial's worker is gone."""
        self._adapter.died(trial.trial_id, _death_of(trial))


class _NoReport(ProgressReporter):  # type: ignore[misc]
    """Replaces Tune's own in notebooks, which would clear the output of the cell."""

    def should_report(self, trials: list[Trial], done: bool = False) -> bool:
        return False

    def report(self, trials: list[Trial], done: bool, *sys_info: dict[str, Any]) -> None:
        """Nothing: the view shows all there is."""


def _death_of(trial: Trial) -> Lost | Failed:
    memory = memory_at_kill(trial)
    if memory is not None:
        return Failed(
            f"out of memory: Ray killed its worker at {memory}; train fewer at once (--parallel) "
            "or with a smaller --batch-size",
            memory=True,
        )
    reason = death_of(trial)
    return Lost(LOST if reason is None else f"{LOST}: {reason}")


def _trial_name(trial: Trial) -> str:
    assignment: Assignment = trial.config["assignment"]
    return f"trial-{assignment.number}-seed-{assignment.run.training.seed}"
