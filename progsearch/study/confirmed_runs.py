"""The runs on new seeds as a file in the study's folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_serializer

from progsearch.cache import read_json, write_json
from progsearch.config import Config, parse, plain
from progsearch.errors import StudyError
from progsearch.paths import exists
from progsearch.study.results import Timings

DEFAULT_MARGIN = 0.01
"""What a schedule may lose to full fine-tuning if nothing else is asked for."""

CONFIRMED = "confirm.json"
"""The file in the study's folder."""


class ConfirmedRun(Config):
    """One trial's schedule trained with another seed.

    Attributes:
        trial: The trial's number in the study.
        seed: What it was trained with.
        metrics: The task's metrics on validation data; None if the run failed.
        test_metrics: The same on test data, if the task has labelled ones.
        timings: As those of a trial.
        steps_trained: As that of a trial.
        peak_memory: As that of a trial.
        reason: Why it failed; None if it did not.
    """

    trial: int
    seed: int
    metrics: dict[str, float] | None = None
    test_metrics: dict[str, float] | None = None
    timings: Timings = Timings()
    steps_trained: int = 0
    peak_memory: int = 0
    reason: str | None = None

    @field_serializer("timings")
    def _timings_in_the_file(self, timings: Timings) -> dict[str, float]:
        # The file has none for a run that failed.
        return timings.to_dict() if self.reason is None else {}


class ConfirmedRuns(Config):
    """All runs of a study on new seeds.

    Attributes:
        margin: What a schedule may lose to full fine-tuning, as last asked for.
        runs: At most one for each trial and seed.
    """

    margin: float = Field(gt=0, lt=1)
    runs: tuple[ConfirmedRun, ...] = ()

    def of(self, trial: int) -> dict[int, ConfirmedRun]:
        """A trial's runs by seed, in the order of the seeds."""
        found = {run.seed: run for run in self.runs if run.trial == trial}
        return dict(sorted(found.items()))

    def having(self, run: ConfirmedRun) -> ConfirmedRuns:
        """These runs and ``run``, which replaces one with its trial and seed."""
        others = [r for r in self.runs if (r.trial, r.seed) != (run.trial, run.seed)]
        return self.model_copy(update={"runs": (*others, run)})


def read_confirmed(folder: Path) -> ConfirmedRuns | None:
    """The runs in a study's folder; None if nothing was confirmed yet.

    Raises:
        StudyError: The file is damaged.
        ConfigError: It holds something else.
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
    """Write the runs to the study's folder; a reader sees the old ones or all of them."""
    write_json(folder / CONFIRMED, plain(confirmed))
