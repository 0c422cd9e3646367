"""What a new study learns from an earlier one of another task, model or data size."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np

from progsearch.config import Config
from progsearch.strategy.features import features
from progsearch.strategy.surrogate import Observation
from progsearch.study.folder import open_study
from progsearch.study.front import allowed, front_of, full_of, usable
from progsearch.study.metadata import recipe_of


class EarlierRun(Config):
    """A run of the earlier study.

    Attributes:
        features: Its vector, the same for models of any depth.
        gain: Its metric minus full fine-tuning's, in units of full fine-tuning's gain over a
            constant answer, so that tasks can be compared.
    """

    features: tuple[float, ...]
    gain: float


class Earlier(Config):
    """An earlier study, kept in the new one so that it does not depend on the old one.

    Attributes:
        study: Its name.
        points: The sampled parameters of the schedules on its front, best metric first.
        runs: All its runs with a result.
    """

    study: str
    points: tuple[dict[str, bool | int | float | str], ...]
    runs: tuple[EarlierRun, ...]

    def observations(self, full: float, majority: float | None) -> list[Observation]:
        """The metrics that its runs would reach on the new task if the tasks were alike.

        The spread of the runs' gains serves as the uncertainty of each.

        Args:
            full: The metric of full fine-tuning on the new task.
            majority: The metric of a constant answer there; None if that has no score.
        """
        unit = full - (majority or 0.0)
        if len(self.runs) < 2 or not unit:
            return []
        deviation = abs(unit) * statistics.stdev(run.gain for run in self.runs)
        return [
            Observation(np.array(run.features), full + unit * run.gain, deviation)
            for run in self.runs
        ]


def read_earlier(study: str | Path, studies_dir: str | Path) -> Earlier:
    """The study of that name, or in that folder.

    Raises:
        StudyError: There is no such study.
    """
    folder = open_study(study, studies_dir, read_only=True)
    info, limits = folder.info, recipe_of(folder.study).limits
    trials = usable(folder.trials())
    front = front_of(allowed(trials, limits))
    full = full_of(trials)
    gains: list[EarlierRun] = []
    if full is not None:
        unit = full.values[0] - (info.majority or 0.0)
        for trial in trials:
            vector = features(trial.run, info.model.n_blocks)
            gain = (trial.values[0] - full.values[0]) / unit if unit else 0.0
            gains.append(EarlierRun(features=tuple(vector.tolist()), gain=gain))
    points = tuple(dict(trial.params) for trial in front if trial.params)
    return Earlier(study=folder.name, points=points, runs=tuple(gains))
