"""The searcher that hands the runs on new seeds to Ray Tune and keeps their results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from progsearch.driver.confirm_view import ConfirmView
from progsearch.strategy.confirmation import Job, JobQueue, RunningJob
from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns, write_confirmed
from progsearch.workers.halt import Halt
from progsearch.workers.worker import Report


class ConfirmSearcher(Searcher):  # type: ignore[misc]
    """Nothing is searched: it hands out the jobs of a queue.

    Args:
        queue: The jobs.
        settings: What every worker is told beside its run.
        folder: Where the results are kept.
        kept: Those that are there.
        parallel: How many run at once.
        halt: Asked before a job is handed out.
        view: Told what happens.

    Attributes:
        kept: All results so far.
    """

    def __init__(
        self,
        queue: JobQueue,
        settings: dict[str, Any],
        folder: Path,
        kept: ConfirmedRuns,
        *,
        parallel: int,
        halt: Halt,
        view: ConfirmView,
    ) -> None:
        super().__init__()
        self.kept = kept
        self._queue = queue
        self._settings = settings
        self._folder = folder
        self._parallel = parallel
        self._halt = halt
        self._view = view
        self._running: dict[str, RunningJob] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next run; None while all workers are busy, ``FINISHED`` when there is none."""
        if self._halt.ending is not None:
            return str(Searcher.FINISHED)
        if len(self._running) >= self._parallel:
            return None
        job = self._queue.take(list(self._running.values()))
        if job is None:
            return str(Searcher.FINISHED)
        self._running[trial_id] = RunningJob(job)
        self._view.run_started(job)
        return {"number": job.trial.number, "run": job.candidate.run, **self._settings}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Note a record that is not a run's last."""
        running = self._running[trial_id]
        report: Report = result["report"]
        if report.record is not None:
            running.records.append(report.record)
            self._view.record(running.job, report.record)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Keep what came out; a worker's death is told by `worker_died`."""
        if error:
            return
        job = self._running.pop(trial_id).job
        report: Report | None = (result or {}).get("report")
        if report is None or (report.result is None and report.failure is None):
            return  # stopped with the session, so it stays to be done
        if report.result is not None:
            self._queue.finished(job)
        found = report.result or {"reason": report.failure}
        self._keep(job, ConfirmedRun(trial=job.trial.number, seed=job.seed, **found))

    def worker_died(self, trial_id: str, reason: str) -> None:
        """A run's worker process is gone; at a halt that is no failure."""
        job = self._running.pop(trial_id).job
        if self._halt.ending is None:
            self._keep(job, ConfirmedRun(trial=job.trial.number, seed=job.seed, reason=reason))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the folder holds all there is."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the folder holds all there is."""

    def _keep(self, job: Job, run: ConfirmedRun) -> None:
        self.kept = self.kept.having(run)
        write_confirmed(self._folder, self.kept)
        self._view.run_finished(job, run)
