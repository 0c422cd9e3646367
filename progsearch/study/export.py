"""Exports a trial as a config that does not depend on its study."""

from __future__ import annotations

from statistics import fmean

from progsearch.config import RunConfig
from progsearch.errors import StudyError
from progsearch.study.info import StudyInfo
from progsearch.study.trial import Trial
from progsearch.version import __version__


def config_of(trial: Trial, info: StudyInfo, study: str) -> RunConfig:
    """The config of a finished trial, with its costs and results.

    Args:
        trial: A trial of a study.
        info: The metadata of that study.
        study: Its name.

    Raises:
        StudyError: The trial has no result.
        ConfigError: This version cannot read the trial's config.
    """
    if not trial.is_complete:
        raise StudyError(
            f"trial {trial.number} is {trial.state.name} and has no result; pick another one"
        )
    results = {
        "metric": info.metric,
        "value": trial.values[0],
        **({} if trial.estimate is None else {"standard_error": trial.estimate.error}),
        "metrics": {
            name: fmean(run.metrics[name] for run in (trial, *trial.repeated))
            for name in trial.metrics
        },
        "split": info.split,
        "seeds": trial.n_seeds,
        "study": study,
        "trial": trial.number,
    }
    return trial.run.model_copy(
        update={
            "progsearch_version": __version__,
            "costs": trial.costs.to_dict(),
            "results": results,
        }
    )
