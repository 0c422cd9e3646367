"""What an earlier study, of another task, model or data size, tells a new one."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np

from progsearch.config import Config
from progsearch.report.data import study_report
from progsearch.strategy.features import features
from progsearch.strategy.surrogate import Observation
from progsearch.study.folder import open_study


class EarlierRun(Config):
    """A run of the earlier study.

    Attributes:
        features: Its vector, the same for models of any depth.
        gain: Its metric less full fine-tuning's, as a share of what full fine-tuning gains over
            a constant answer, so that tasks can be compared.
    """

    features: tuple[float, ...]
    gain: float


class Earlier(Config):
    """An earlier study, kept in the new one so that it does not depend on the old one.

    Attributes:
        study: Its name.
        points: The drawn parameters of the schedules on its front, best metric first.
        runs: All its runs with a result.
    """

    study: str
    points: tuple[dict[str, bool | int | float | str], ...]
    runs: tuple[EarlierRun, ...]

    def observations(self, full: float, majority: float | None) -> list[Observation]:
        """What its runs would come to on the new task, as far as tasks are alike.

        Nobody knows how far they are; each is taken to be as uncertain as the runs differ.

        Args:
            full: The metric of full fine-tuning on the new task.
            majority: What a constant answer reaches there; None where that has no score.
        """
        if len(self.runs) < 2:
            return []
        unit = full - (majority or 0.0)
        deviation = abs(unit) * statistics.stdev(run.gain for run in self.runs)
        return [
            Observation(np.array(run.features), full + unit * run.gain, deviation)
            for run in self.runs
        ]


def read_earlier(study: str | Path, studies_dir: str | Path) -> Earlier:
    """What the study of that name, or in that folder, tells.

    Raises:
        StudyError: There is no such study.
    """
    found = open_study(study, studies_dir, read_only=True)
    report = study_report(found.study)
    gains: list[EarlierRun] = []
    if report.full is not None:
        full = report.full.values[0]
        unit = full - (report.majority or 0.0)
        for trial in report.usable:
            vector = features(trial.user_attrs["run"], report.n_blocks)
            gain = (trial.values[0] - full) / unit if unit else 0.0
            gains.append(EarlierRun(features=tuple(vector.tolist()), gain=gain))
    points: list[dict[str, Any]] = [dict(trial.params) for trial in report.front if trial.params]
    return Earlier(study=found.name, points=tuple(points), runs=tuple(gains))
