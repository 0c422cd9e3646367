"""One schedule of a study, with its config and its result."""

from __future__ import annotations

import warnings
from html import escape
from os import PathLike
from os.path import isdir
from pathlib import Path

from progsearch.config import RunConfig
from progsearch.errors import ConfigError, StudyError
from progsearch.numerals import percent
from progsearch.paths import check_writable_file
from progsearch.report.data import StudyReport
from progsearch.report.formatting import in_words
from progsearch.report.loss import loss_of
from progsearch.schedule import Schedule
from progsearch.schedule.files import write_config
from progsearch.study.export import config_of
from progsearch.study.trial import Trial


class Pick:
    """A trial with a result, as `progsearch.Study.pick` chooses it.

    Attributes:
        number: The trial's number.
        label: The name of a reference, or the trial's number: ``#7``.
        schedule: What is trained when.
        config: The whole run, as `progsearch export` writes it.
        metric: The task's metric on validation data: an estimate from all runs of the study, if
            there is one, else the mean over the trial's seeds.
        standard_error: The standard error of that estimate; None without one.
        seeds: Number of seeds that the trial was trained with.
        updated_parameters: Updated parameters as a fraction of full fine-tuning's.
        per_class: The mean scores of each class over its runs; None if the task type has none.
        loss: A sentence if it is worse than full fine-tuning by more than noise; else None.
    """

    def __init__(self, trial: Trial, report: StudyReport) -> None:
        self.number = trial.number
        self.label = trial.label
        self.config: RunConfig = config_of(trial, report.info, report.study, report.full)
        self.schedule = Schedule.from_dicts(trial.stages, report.n_blocks)
        self.metric = trial.values[0]
        self.standard_error = None if trial.estimate is None else trial.estimate.error
        self.seeds = trial.n_seeds
        self.updated_parameters = trial.updated_parameters
        self.per_class = trial.per_class
        self.loss = loss_of(report, trial)
        self._metric_name = report.metric.replace("_", " ")
        self._words = in_words(trial.stages, report.n_blocks)
        self._nothing_learned = report.nothing_learned

    def export(self, path: str | Path, *, anyway: bool = False) -> Path:
        """Write the config as a file that does not need the study; replaces an earlier file.

        If the schedule is worse than full fine-tuning by more than noise, a warning says so.

        Args:
            path: The file.
            anyway: Write it even if nothing was learned.

        Returns:
            The file.

        Raises:
            StudyError: Nothing was learned.
            ConfigError: The file cannot be written.
        """
        if self._nothing_learned and not anyway:
            raise StudyError(
                f"{self._nothing_learned}; give anyway=True to export it all the same"
            )
        if not isinstance(path, str | PathLike):
            raise ConfigError("path", [("", f"must be a text or a path, got {path!r}")])
        file = Path(path)
        if not isdir(file.parent):
            raise ConfigError("path", [("", f"there is no folder {file.parent}; make it first")])
        check_writable_file(file, "path")
        write_config(self.config, file)
        if self.loss:
            warnings.warn(self.loss, stacklevel=2)
        return file

    @property
    def result(self) -> str:
        """The metric and the cost in words."""
        error = "" if self.standard_error is None else f" ± {self.standard_error:.4f}"
        seeds = f", {self.seeds} seeds" if self.seeds > 1 else ""
        return (
            f"{self._metric_name} {self.metric:.4f}{error}{seeds}, "
            f"{percent(self.updated_parameters)} of the updated parameters"
        )

    def __repr__(self) -> str:
        loss = f"; {self.loss}" if self.loss else ""
        return f"<Pick {self.label}: {self.result} ({self._words}){loss}>"

    def _repr_html_(self) -> str:
        lines = [f"<b>{escape(self.label)}</b>: {escape(self.result)}", escape(self._words)]
        return f"<p>{'<br>'.join([*lines, *([escape(self.loss)] if self.loss else [])])}</p>"
