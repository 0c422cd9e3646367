"""The runs on new seeds as a file in the study's folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from progsearch.cache import read_json, write_json
from progsearch.config import Config, parse, plain
from progsearch.errors import StudyError

DEFAULT_MARGIN = 0.01
"""What a schedule may lose to full fine-tuning where nothing else is asked for."""

_FILE = "confirm.json"


class KeptRun(Config):
    """One trial's schedule trained with another seed.

    Attributes:
        trial: The trial's number in the study.
        seed: What it was trained with.
        metrics: The task's metrics on validation data; None where the run failed.
        test_metrics: The same on test data, where the task has labelled ones.
        timings: As those of a trial.
        steps_trained: As that of a trial.
        peak_memory: As that of a trial.
        reason: Why it failed; None where it did not.
    """

    trial: int
    seed: int
    metrics: dict[str, float] | None = None
    test_metrics: dict[str, float] | None = None
    timings: dict[str, float] = {}
    steps_trained: int = 0
    peak_memory: int = 0
    reason: str | None = None


class KeptRuns(Config):
    """All runs of a study on new seeds.

    Attributes:
        margin: What a schedule may lose to full fine-tuning, as last asked for.
        runs: At most one for each trial and seed.
    """

    margin: float = Field(gt=0, lt=1)
    runs: tuple[KeptRun, ...] = ()

    def of(self, trial: int) -> dict[int, KeptRun]:
        """A trial's runs by seed, in the order of the seeds."""
        found = {run.seed: run for run in self.runs if run.trial == trial}
        return dict(sorted(found.items()))

    def having(self, run: KeptRun) -> KeptRuns:
        """These runs and ``run``, which takes the place of one with its trial and seed."""
        others = [r for r in self.runs if (r.trial, r.seed) != (run.trial, run.seed)]
        return self.model_copy(update={"runs": (*others, run)})


def read_kept(folder: Path) -> KeptRuns | None:
    """The runs in a study's folder; None where nothing was confirmed yet.

    Raises:
        StudyError: The file is damaged.
        ConfigError: It holds something else.
    """
    path = folder / _FILE
    if not path.exists():
        return None
    data = read_json(path)
    if data is None:
        raise StudyError(
            f"{path} cannot be read; restore it from a copy, or delete it and confirm again"
        )
    return parse(KeptRuns, data, str(path))


def write_kept(folder: Path, kept: KeptRuns) -> None:
    """Write the runs to the study's folder; a reader sees the old ones or all of them."""
    write_json(folder / _FILE, plain(kept))
