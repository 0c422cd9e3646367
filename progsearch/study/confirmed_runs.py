"""Reads and writes the runs on new seeds, a file in the study's folder."""

from __future__ import annotations

from os.path import exists
from pathlib import Path

from pydantic import Field, field_serializer

from progsearch.cache import read_json, write_json
from progsearch.config import Config, parse, plain
from progsearch.errors import StudyError
from progsearch.study.results import ClassScores, Timings

DEFAULT_MARGIN = 0.01
"""The default margin: how much a schedule may lose compared with full fine-tuning."""

CONFIRMED = "confirm.json"
"""The file in the study's folder."""


class ConfirmedRun(Config):
    """One trial's schedule trained with another seed.

    Attributes:
        trial: The trial's number in the study.
        seed: The seed of this run.
        metrics: The task's metrics on validation data; None if the run failed.
        test_metrics: The same on test data, if the task has labelled test data.
        per_class: The scores of each class on validation data, if the task type has any; None for
            runs of versions that did not keep them.
        timings: As in `Trial`.
        steps_trained: As in `Trial`.
        peak_memory: As in `Trial`.
        reason: Why it failed; None if it did not.
        constant: Whether all predictions on the validation data are the same at its end; None if
            it failed, and for runs of versions that did not keep it.
    """

    trial: int
    seed: int
    metrics: dict[str, float] | None = None
    test_metrics: dict[str, float] | None = None
    per_class: ClassScores | None = None
    timings: Timings = Timings()
    steps_trained: int = 0
    peak_memory: int = 0
    reason: str | None = None
    constant: bool | None = None

    @field_serializer("timings")
    def _timings_in_the_file(self, timings: Timings) -> dict[str, float]:
        # The file has no timings for a failed run.
        return timings.to_dict() if self.reason is None else {}


class ConfirmedRuns(Config):
    """All runs of a study on new seeds.

    Attributes:
        margin: How much a schedule may lose compared with full fine-tuning, as last requested.
        runs: At most one for each trial and seed.
    """

    margin: float = Field(gt=0, lt=1)
    runs: tuple[ConfirmedRun, ...] = ()

    def of(self, trial: int) -> dict[int, ConfirmedRun]:
        """A trial's runs by seed, in the order of the seeds."""
        found = {run.seed: run for run in self.runs if run.trial == trial}
        return dict(sorted(found.items()))

    def having(self, run: ConfirmedRun) -> ConfirmedRuns:
        """These runs with ``run`` added; it replaces a run of the same trial and seed."""
        others = [r for r in self.runs if (r.trial, r.seed) != (run.trial, run.seed)]
        return self.model_copy(update={"runs": (*others, run)})


def read_confirmed(folder: Path) -> ConfirmedRuns | None:
    """The runs in a study's folder; None if nothing has been confirmed yet.

    Raises:
        StudyError: The file is damaged.
        ConfigError: The content is not valid.
    """
    path = folder / CONFIRMED
    if not exists(path):
        return None
    data = read_json(path)
    if data is None:
        raise StudyError(
            f"{path} cannot be read; restore it from a copy, or delete it and confirm again"
        )
    return parse(ConfirmedRuns, data, str(path))


def write_confirmed(folder: Path, confirmed: ConfirmedRuns) -> None:
    """Write the runs to the study's folder atomically: a reader sees the old or the new file."""
    write_json(folder / CONFIRMED, plain(confirmed))
