"""One study, whole: what `progsearch run` searches and `studies/*.yaml` hold."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from progsearch.config.base import Config
from progsearch.config.limits import Limits
from progsearch.config.method import MethodName
from progsearch.config.run import TaskConfig, TrainingConfig

Objective = Literal["metric", "updated_parameters", "flops", "seconds", "peak_memory"]
SamplerName = Literal["ehvi", "tpe", "nsga2", "gp", "random", "grid"]
SchedulerName = Literal["freeze-thaw", "dominance", "mo-asha", "none"]

LEARNING_SAMPLERS: tuple[SamplerName, ...] = ("tpe", "nsga2", "gp")
"""Those that draw better points with every result."""

# How many points are drawn for each trial of the sampler ehvi.
_CANDIDATES = 64


class Recipe(Config):
    """One study, whole: what `progsearch run` searches and `studies/*.yaml` hold."""

    study: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    model: str = "minilm-l6"
    task: TaskConfig
    space: str = "progtuning"
    methods: tuple[MethodName, ...] | None = Field(default=None, min_length=1)
    objectives: tuple[Objective, ...] = Field(
        default=("metric", "updated_parameters"), min_length=1, max_length=3
    )
    training: TrainingConfig = TrainingConfig()
    sampler: SamplerName = "ehvi"
    candidates: int | None = Field(default=None, ge=1, description="points drawn for each trial")
    scheduler: SchedulerName | None = None
    warm_start: str | None = Field(default=None, min_length=1, description="an earlier study")
    budget: int = Field(default=30, ge=1, description="whole trials")
    seeds: int = Field(default=1, ge=1, description="runs of a trial, each with its own seed")
    time_limit: float | None = Field(default=None, gt=0, description="seconds")
    max_gpu_hours: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, ge=1, description="whole searched trials")
    max_updated: float | None = Field(default=None, gt=0, le=1)
    min_metric: float | None = Field(default=None, le=1)
    parallel: int | None = Field(default=None, ge=1)
    gpus_per_trial: float | None = Field(default=None, ge=0)
    address: str | None = None
    storage: str | None = None
    reuse: bool = True
    reuse_budget: float | None = Field(default=None, gt=0, description="GiB")
    prefix_cache: bool = True

    @model_validator(mode="after")
    def _check_objectives(self) -> Recipe:
        if self.objectives[0] != "metric":
            raise ValueError(
                "objectives must begin with metric, such as metric, seconds; "
                f"got {', '.join(self.objectives)}"
            )
        if len(set(self.objectives)) != len(self.objectives):
            raise ValueError("the same objective is given twice")
        return self

    @model_validator(mode="after")
    def _check_scheduler(self) -> Recipe:
        if self.scheduler == "freeze-thaw" and not self.keeps_candidates:
            what_to_do = (
                f"the sampler {self.sampler} draws all of them anew for each trial; take"
                if self.sampler in LEARNING_SAMPLERS
                else "there is one for each trial; take more candidates, or the scheduler"
            )
            raise ValueError(
                "the scheduler freeze-thaw weighs trials against candidates that wait, and "
                f"{what_to_do} dominance, mo-asha or none"
            )
        return self

    @property
    def n_candidates(self) -> int:
        """How many points are drawn for each trial, to train the most promising."""
        return self.candidates or (_CANDIDATES if self.sampler == "ehvi" else 1)

    @property
    def keeps_candidates(self) -> bool:
        """Whether points that were not chosen wait to be chosen from again."""
        return self.n_candidates > 1 and self.sampler not in LEARNING_SAMPLERS

    @property
    def judged_by(self) -> SchedulerName:
        """The scheduler; where none is named, the best that goes with the sampler."""
        return self.scheduler or ("freeze-thaw" if self.keeps_candidates else "dominance")

    @property
    def limits(self) -> Limits:
        """What a schedule must keep to in order to be chosen."""
        return Limits(self.max_updated, self.min_metric)
