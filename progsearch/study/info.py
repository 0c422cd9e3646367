"""Metadata of a study besides its recipe: stored in the study, read by reports."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from progsearch.config import Config


class Session(Config):
    """One session of a search.

    Attributes:
        started: When, in ISO 8601.
        seconds: Its duration.
        trials: The number of trials that ended in it.
        n_trials: The number of trials that the study had at its start; None in studies of earlier
            versions.
        ended: Whether nothing was left to do, such as in the budget. Without it, the session was
            interrupted.
    """

    started: str
    seconds: float
    trials: int
    n_trials: int | None = None
    ended: bool = False


class ModelSize(Config):
    """The size of a study's model."""

    n_blocks: int = 0
    parameters: int = 0


class StudyInfo(Config):
    """Metadata that is known before the first trial of a study.

    Attributes:
        space: The search space at the start, even if its file changes later.
        earlier: The data of the earlier study that this one starts from, if there is one.
        baselines: Names of the references that will be trained.
        reference_rates: The learning rates at which each of them is tried.
        contributions: One score per block for each contribution metric that was used.
        model: The size of the model.
        metric: The task's primary metric.
        split: The data that trials are measured on.
        majority: The metric of a constant prediction; None if that has no score.
        fingerprint: Identifies the model's weights and the task's data.
        progsearch_version: The version that created the study.
    """

    space: dict[str, Any] = Field(default_factory=dict)
    earlier: dict[str, Any] | None = None
    baselines: tuple[str, ...] = ()
    reference_rates: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    contributions: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    model: ModelSize = ModelSize()
    metric: str = "metric"
    split: str = "validation"
    majority: float | None = None
    fingerprint: str = ""
    progsearch_version: str = ""
