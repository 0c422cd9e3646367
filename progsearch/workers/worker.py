"""The worker: runs one trial after the other in one process.

Light to import, since Ray Tune's driver imports it as well.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.tune import Trainable

from progsearch.config import shared_store, with_seed
from progsearch.errors import OutOfMemory, RankLost, TrialFailed
from progsearch.strategy.source import Assignment, Failed, Finished, Message, Progress
from progsearch.workers.followers import Followers
from progsearch.workers.logs import name_trial
from progsearch.workers.process import prepare_process

if TYPE_CHECKING:
    from progsearch.study.folder import StudyFolder
    from progsearch.study.results import Record
    from progsearch.training import Run

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """The settings of a study's workers, apart from their assignments.

    Attributes:
        log: The file for what happens in them.
        reuse: Whether they start from steps that others have made.
        reuse_budget: GiB of disk that reusable work may take; None leaves it to the store.
        prefix_cache: Whether they keep the output of frozen blocks.
        store: Where machines share reusable work; None if they do not.
        ranks: The number of processes that train each trial.
    """

    log: str
    reuse: bool
    reuse_budget: float | None
    prefix_cache: bool
    store: str | None = None
    ranks: int = 1

    @classmethod
    def of(cls, folder: StudyFolder) -> WorkerSettings:
        """Those that a study's recipe asks for."""
        recipe = folder.recipe
        # Workers on other machines do not have the environment of this one.
        shared = recipe.store or shared_store()
        return cls(
            str(folder.log),
            recipe.reuse,
            recipe.reuse_budget,
            recipe.prefix_cache,
            shared,
            recipe.ranks_per_trial,
        )


class TrialWorker(Trainable):  # type: ignore[misc]
    """Trains the ``assignment`` of its config; a step leads to its next message."""

    _run: Run | None = None
    _records: Iterator[Record] | None = None
    _followers: Followers | None = None

    def setup(self, config: dict[str, Any]) -> None:
        """Prepare the process, once for all its trials."""
        settings: WorkerSettings = config["settings"]
        if settings.ranks > 1:
            # They load what they need meanwhile.
            self._followers = Followers(settings.log)
        prepare_process(settings.log)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial; the process keeps what it has loaded.

        Tune calls it after a trial's last `step`. A trial that was stopped gets no message: its
        process is only asked for no further step.
        """
        if self._run is not None:
            self._drop()
        self._assignment: Assignment = new_config["assignment"]
        self._settings: WorkerSettings = new_config["settings"]
        name_trial(self._assignment.number)
        return True

    def step(self) -> dict[str, Any]:
        """Train to the next end of an epoch or a stage."""
        try:
            message = self._advance()
        except TrialFailed as error:
            message = Failed(str(error), memory=isinstance(error, OutOfMemory))
        except Exception as error:
            message = self._failure(error)
        done = not isinstance(message, Progress)
        if done:
            self._drop()
        return {"message": message, "done": done}

    def _failure(self, error: Exception) -> Failed:
        """What an error says of the run; raised if it says nothing, and this process must end."""
        import torch

        if isinstance(error, RankLost) and self._followers is not None:
            error = self._followers.why(error)
        if isinstance(error, RankLost) or _lost_gpu(error):
            # Tune starts another process, with other followers.
            raise error
        _log.error("failed", exc_info=error)
        memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        return Failed(f"{type(error).__name__}: {error}", memory=memory)

    def _advance(self) -> Message:
        if self._run is None or self._records is None:
            self._run = self._start()
            self._records = self._run.records()
        record = next(self._records)
        if record.step < self._run.total_steps:
            return Progress(record, self._run.spent())
        return Finished(record, self._run.result())

    def _start(self) -> Run:
        from progsearch.training import SeedMean, Store, TrainingRun

        assignment, settings = self._assignment, self._settings
        store = None
        if settings.reuse:
            gib = settings.reuse_budget
            budget = None if gib is None else int(gib * 2**30)
            store = Store(budget=budget, shared=settings.store)
        ranks = None if self._followers is None else self._followers.begin(assignment.number)
        seed = assignment.run.training.seed
        runs = [
            TrainingRun.from_config(
                with_seed(assignment.run, seed + index),
                store=store,
                prefix_cache=settings.prefix_cache,
                test=assignment.test,
                ranks=ranks,
            )
            for index in range(assignment.seeds)
        ]
        return runs[0] if len(runs) == 1 else SeedMean(runs)

    def _drop(self) -> None:
        """Free the memory of the run, for trials that share the GPU."""
        import torch

        if self._followers is not None:
            self._followers.end()
        self._run = self._records = None
        if torch.cuda.is_available():
            gc.collect()
            torch.cuda.empty_cache()


def _lost_gpu(error: Exception) -> bool:
    import torch

    kind = getattr(torch, "AcceleratorError", None)
    return kind is not None and isinstance(error, kind)
