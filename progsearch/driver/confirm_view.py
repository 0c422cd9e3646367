"""What a confirmation tells whoever watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from progsearch.study.confirmed_runs import ConfirmedRun

if TYPE_CHECKING:
    from progsearch.report.data import StudyReport
    from progsearch.strategy.confirmation import Job


class ConfirmView:
    """A watcher; this one looks away.

    All methods are called from the process and the thread that called `confirm`, between runs,
    so they must return quickly.
    """

    def preparing(self, message: str) -> None:
        """It does ``message`` ("loading ...") before its first run."""

    def started(
        self, report: StudyReport, seeds: Sequence[int], n_schedules: int, n_left: int
    ) -> None:
        """That many schedules are wanted on ``seeds``; ``n_left`` runs are not there yet."""

    def run_started(self, job: Job) -> None:
        """A worker took ``job``."""

    def record(self, job: Job, record: dict[str, Any]) -> None:
        """A run was evaluated; ``record`` is a `Record` as a dict."""

    def run_finished(self, job: Job, run: ConfirmedRun) -> None:
        """``run`` has its metrics, or the reason why it has none, and is saved."""

    def finished(self, interrupted: bool) -> None:
        """No run is under way any more."""
