"""The scheduler that Ray Tune asks, after each report, whether a trial goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from progsearch.workers.worker import Report


class JudgeScheduler(FIFOScheduler):  # type: ignore[misc]
    """Stops the trials that a judge gives up.

    Args:
        stops: Told a trial's id and its newest report; whether it is to be stopped.
    """

    def __init__(self, stops: Callable[[str, Report], bool]) -> None:
        super().__init__()
        self._stops = stops

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop the trial, or let it go on."""
        stops = self._stops(trial.trial_id, result["report"])
        return str(self.STOP if stops else self.CONTINUE)
