"""The worker: runs one trial after the other in one process.

Light to import, since Ray Tune's driver imports it as well.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ray.tune import Trainable

from progsearch.config import RunConfig, with_seed
from progsearch.errors import TrialFailed
from progsearch.workers.logs import log_to

if TYPE_CHECKING:
    from progsearch.study.folder import StudyFolder
    from progsearch.study.results import Record
    from progsearch.training import Run

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What a worker tells the driver at the end of an epoch or a stage.

    Attributes:
        record: The `Record` made there, as a dict.
        spent: The run so far: timings, steps_trained and peak_memory.
        result: The finished run: metrics, timings, steps_trained and peak_memory; with schedule,
            run and costs where blocks were chosen on the way, with seeds (the metrics of each)
            where it is the mean of several runs, and with test_metrics where test data were
            scored.
        failure: Why the run cannot go on.
    """

    record: dict[str, Any] | None = None
    spent: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    failure: str | None = None


def worker_settings(folder: StudyFolder, *, seeds: int = 1, test: bool = False) -> dict[str, Any]:
    """What the workers of a study are told beside the run.

    Args:
        folder: The study.
        seeds: How many runs a trial is the mean of, with as many seeds from its own on.
        test: Whether each run is scored on test data at its end, where there are any.
    """
    recipe = folder.recipe
    return {
        "log": str(folder.log),
        "reuse": recipe.reuse,
        "reuse_budget": recipe.reuse_budget,
        "prefix_cache": recipe.prefix_cache,
        "seeds": seeds,
        "test": test,
    }


class TrialWorker(Trainable):  # type: ignore[misc]
    """Trains the ``run`` of its config; a step leads to its next record."""

    def setup(self, config: dict[str, Any]) -> None:
        """Prepare the process, once for all its trials."""
        log_to(config["log"])
        # Before anything else that is large: it loads all of it with the collector paused.
        import progsearch.workers.preload  # noqa: F401

        self.reset_config(config)
        import torch

        from progsearch.engine.memory import keep_freed_memory

        keep_freed_memory()
        # As many trials as cores, so each keeps to one.
        torch.set_num_threads(1)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial; what the process has loaded stays."""
        self._config = new_config
        self._run: Run | None = None
        self._records: Iterator[Record] | None = None
        return True

    def step(self) -> dict[str, Any]:
        """Train to the next end of an epoch or a stage."""
        try:
            report = self._advance()
        except TrialFailed as error:
            report = Report(failure=str(error))
        except Exception as error:
            if _lost_gpu(error):
                # Nothing works in this process any more; Tune starts another one.
                raise
            _log.exception("a trial failed")
            report = Report(failure=f"{type(error).__name__}: {error}")
        done = report.result is not None or report.failure is not None
        if done:
            self._drop()
        return {"report": report, "done": done}

    def _advance(self) -> Report:
        if self._run is None or self._records is None:
            self._run = self._start(self._config)
            self._records = self._run.records()
        record = next(self._records)
        if record.step < self._run.total_steps:
            return Report(record=record.to_dict(), spent=self._run.spent().to_dict())
        result = self._run.result()
        found = {"metrics": result.metrics, **result.spent.to_dict()}
        if result.seeds is not None:
            found["seeds"] = list(result.seeds)
        if result.test_metrics is not None:
            found["test_metrics"] = result.test_metrics
        if result.chosen is not None:
            found |= asdict(result.chosen)
        return Report(record=record.to_dict(), result=found)

    def _start(self, config: dict[str, Any]) -> Run:
        from progsearch.training import SeedMean, Store, TrainingRun

        store = None
        if config["reuse"]:
            gib = config["reuse_budget"]
            store = Store(budget=None if gib is None else int(gib * 2**30))
        run: RunConfig = config["run"]
        runs = [
            TrainingRun.from_config(
                with_seed(run, run.training.seed + index),
                store=store,
                prefix_cache=config["prefix_cache"],
                test=config["test"],
            )
            for index in range(config["seeds"])
        ]
        return runs[0] if len(runs) == 1 else SeedMean(runs)

    def _drop(self) -> None:
        """Give the memory of the finished run back, for trials that share the GPU."""
        import torch

        self._run = self._records = None
        if torch.cuda.is_available():
            gc.collect()
            torch.cuda.empty_cache()


def _lost_gpu(error: Exception) -> bool:
    import torch

    kind = getattr(torch, "AcceleratorError", None)
    return kind is not None and isinstance(error, kind)
