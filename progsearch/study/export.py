"""A trial as a config that needs nothing of its study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from progsearch.config import RunConfig, parse
from progsearch.errors import StudyError
from progsearch.version import __version__


def config_of(trial: FrozenTrial, study_attrs: Mapping[str, Any]) -> RunConfig:
    """The run of a finished trial, with what it cost and reached.

    Args:
        trial: A trial of a study.
        study_attrs: That study's user attributes.

    Raises:
        StudyError: The trial has no result.
        ConfigError: It holds no run that this version understands.
    """
    if trial.state != TrialState.COMPLETE:
        raise StudyError(
            f"trial {trial.number} is {trial.state.name} and has no result; pick another one"
        )
    attrs = trial.user_attrs
    config = parse(RunConfig, attrs["run"], f"trial {trial.number}")
    metric = study_attrs["metric"]
    results = {
        "metric": metric,
        "value": attrs["metrics"][metric],
        "metrics": attrs["metrics"],
        "split": study_attrs["split"],
        "seeds": len(attrs.get("seeds", [1])),
        "study": study_attrs["recipe"].get("study"),
        "trial": trial.number,
    }
    return config.model_copy(
        update={
            "progsearch_version": __version__,
            "costs": attrs["costs"],
            "results": {key: value for key, value in results.items() if value is not None},
        }
    )
