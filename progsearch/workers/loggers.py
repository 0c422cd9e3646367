"""Logs runs with Ray's own loggers: TensorBoard, MLflow, Weights & Biases.

A result of Tune holds a `Message` and its config an `Assignment`, of which a logger makes nothing.
So each gets a stand-in of the trial, with parameters and results as numbers.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback

from progsearch.config import LogTarget
from progsearch.errors import ConfigError
from progsearch.strategy.source import Assignment, Failed
from progsearch.study.folder import StudyFolder


@dataclass(frozen=True, eq=False)
class LoggedRun:
    """A run as a logger needs it: the part of a trial of Tune that loggers read.

    Attributes:
        name: Such as ``trial-7-seed-0``.
        trial_id: Unlike that of all other runs.
        config: Its parameters.
        local_path: The folder for its files.
    """

    name: str
    trial_id: str
    config: dict[str, Any]
    local_path: str

    @property
    def evaluated_params(self) -> dict[str, Any]:
        """The same parameters."""
        return self.config

    def init_local_path(self) -> None:
        """Make the folder."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return self.name


class RunLogger(Callback):  # type: ignore[misc]
    """Hands the runs of a study to one of Ray's loggers.

    A logger that cannot begin ends the work before its first run; one that fails later ends the
    logging only.

    Args:
        target: Where it logs to.
        logger: The logger.
        folder: The study.
        note: Shows a sentence to the user.
    """

    def __init__(
        self,
        target: LogTarget,
        logger: LoggerCallback,
        folder: StudyFolder,
        note: Callable[[str], None],
    ) -> None:
        self._target = target
        self._logger = logger
        self._folder = folder
        self._note = note
        self._runs: dict[str, LoggedRun] = {}
        self._works = True

    def setup(self, *arguments: Any, **info: Any) -> None:
        """Before the first trial.

        Raises:
            ConfigError: The logger cannot be used, such as a server that does not answer.
        """
        try:
            self._logger.setup(*arguments, **info)
        except Exception as error:
            reason = f"{self._target} cannot be used: {error}"
            text = f"{reason}; correct that and continue with `{self._folder.resume_line}`"
            raise ConfigError("log_to", [("", text)]) from error

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A worker has a trial."""
        run = LoggedRun(
            str(trial),
            trial.trial_id,
            _parameters(trial.config["assignment"], self._folder),
            str(self._place(str(trial))),
        )
        run.init_local_path()
        self._runs[trial.trial_id] = run
        self._call(lambda: self._logger.log_trial_start(run))

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: Mapping[str, Any],
        **info: Any,
    ) -> None:
        """A run was measured; after a failure there is nothing to log."""
        message = result["message"]
        if isinstance(message, Failed):
            self._end(trial, failed=True)
            return
        record = message.record
        numbers = {
            **record.metrics,
            "epoch": record.epoch,
            "seconds": record.seconds,
            "timesteps_total": record.step,
            "training_iteration": result["training_iteration"],
        }
        run = self._runs[trial.trial_id]
        self._call(lambda: self._logger.log_trial_result(iteration, run, numbers))

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A run has ended or was stopped early."""
        self._end(trial, failed=False)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """The worker of a run is gone."""
        self._end(trial, failed=True)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """After the last trial, or at a halt."""
        for trial in trials:
            self._end(trial, failed=True)
        self._call(lambda: self._logger.on_experiment_end(trials, **info))

    def _end(self, trial: Trial, *, failed: bool) -> None:
        run = self._runs.pop(trial.trial_id, None)
        if run is not None:
            self._call(lambda: self._logger.log_trial_end(run, failed=failed))

    def _place(self, name: str) -> Path:
        """The folder of a run's files; wandb makes one of its own in the study's."""
        path = self._folder.path
        return path / self._target / name if self._target == "tensorboard" else path

    def _call(self, call: Callable[[], object]) -> None:
        if not self._works:
            return
        try:
            call()
        except Exception as error:
            self._works = False
            self._note(f"{self._target} failed, so nothing more is logged to it: {error}")


def loggers_of(folder: StudyFolder, note: Callable[[str], None]) -> list[Callback]:
    """The loggers that a study's recipe asks for; ``note`` shows a sentence to the user."""
    return [
        RunLogger(target, _logger(target, folder), folder, note)
        for target in folder.recipe.log_to or ()
    ]


def _logger(target: LogTarget, folder: StudyFolder) -> LoggerCallback:
    match target:
        case "tensorboard":
            from ray.tune.logger import TBXLoggerCallback

            return TBXLoggerCallback()
        case "mlflow":
            from ray.air.integrations.mlflow import MLflowLoggerCallback

            # It announces each table of a new database.
            logging.getLogger("mlflow").setLevel(logging.WARNING)
            # A server of the user's, if there is one.
            own = f"sqlite:///{folder.path / 'mlflow.db'}"
            place = os.environ.get("MLFLOW_TRACKING_URI") or own
            return MLflowLoggerCallback(tracking_uri=place, experiment_name=folder.name)
        case "wandb":
            from ray.air.integrations.wandb import WandbLoggerCallback

            project = os.environ.get("WANDB_PROJECT", "progsearch")
            return WandbLoggerCallback(project=project, group=folder.name)


def _parameters(assignment: Assignment, folder: StudyFolder) -> dict[str, Any]:
    """What distinguishes a run: its trial, its settings, the sampled parameters."""
    run, trial = assignment.run, folder.trial(assignment.number)
    return {
        "trial": assignment.number,
        **({} if trial.name is None else {"reference": trial.name}),
        "seed": run.training.seed,
        "epochs": run.training.epochs,
        "learning_rate": run.training.learning_rate,
        "batch_size": run.training.batch_size,
        "method": run.method.name,
        "stages": len(run.stages),
        "updated_parameters": trial.updated_parameters,
        **trial.params,
    }
