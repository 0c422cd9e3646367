"""Exports a trial as a config that does not depend on its study."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from progsearch.config import RunConfig, run_identity
from progsearch.errors import StudyError
from progsearch.study.info import StudyInfo
from progsearch.study.trial import Trial
from progsearch.version import __version__


def config_of(
    trial: Trial, info: StudyInfo, study: str, reference: Trial | None = None
) -> RunConfig:
    """The config of a finished trial, with its costs and results.

    Args:
        trial: A trial of a study.
        info: The metadata of that study.
        study: Its name.
        reference: Full fine-tuning in that study, to be named beside the results.

    Raises:
        StudyError: The trial has no result.
        ConfigError: This version cannot read the trial's config.
    """
    if not trial.is_complete:
        raise StudyError(
            f"trial {trial.number} is {trial.state.name} and has no result; pick another one"
        )
    results: dict[str, Any] = {
        "metric": info.metric,
        **_value_of(trial),
        "metrics": {
            name: fmean(run.metrics[name] for run in (trial, *trial.repeated))
            for name in trial.metrics
        },
        "split": info.split,
        "study": study,
        "trial": trial.number,
    }
    if reference is not None and reference.number != trial.number:
        results["reference"] = {
            "name": reference.name,
            **_value_of(reference),
            "updated_parameters": reference.costs.updated_parameters,
            "learning_rate": reference.run.training.learning_rate,
        }
    # Tells `train` whether the file was edited, so that these results are no longer its own.
    results["run"] = run_identity(trial.run)
    return trial.run.model_copy(
        update={
            "progsearch_version": __version__,
            "costs": trial.costs.to_dict(),
            "results": results,
        }
    )


def _value_of(trial: Trial) -> dict[str, Any]:
    """The metric of a trial: the estimate from all runs of the study, and its own runs."""
    error = {} if trial.estimate is None else {"standard_error": trial.estimate.error}
    return {"value": trial.values[0], **error, "seeds": trial.n_seeds}
