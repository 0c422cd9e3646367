"""What a study says of itself, beside its recipe: kept in the study, read by reports."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from progsearch.config import Config


class Session(Config):
    """One stretch of searching: when, for how long, how many trials ended."""

    started: str
    seconds: float
    trials: int


class ModelSize(Config):
    """The model of a study."""

    n_blocks: int = 0
    parameters: int = 0


class StudyInfo(Config):
    """What is known of a study before its first trial.

    Attributes:
        space: The search space as it was searched, whatever became of its file.
        earlier: What an earlier study told, if there was one.
        baselines: Names of the references that it is to have.
        contributions: One score per block for each contribution metric that was used.
        model: Its size.
        metric: The task's primary metric.
        split: The data that trials are measured on.
        majority: What a constant answer reaches; None if that has no score.
        fingerprint: Identifies the model's weights and the task's data.
        progsearch_version: What began it.
    """

    space: dict[str, Any] = Field(default_factory=dict)
    earlier: dict[str, Any] | None = None
    baselines: tuple[str, ...] = ()
    contributions: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    model: ModelSize = ModelSize()
    metric: str = "metric"
    split: str = "validation"
    majority: float | None = None
    fingerprint: str = ""
    progsearch_version: str = ""
