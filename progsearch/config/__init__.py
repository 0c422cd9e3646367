"""What a run and a study are made of, as data: read from YAML, checked, written back."""

from progsearch.config.base import Config, ConfigT, parse, plain, read_yaml, write_yaml, yaml_of
from progsearch.config.limits import Limits
from progsearch.config.method import (
    DEFAULT_METHOD,
    METHODS,
    MethodConfig,
    MethodName,
    MethodSettings,
    method_of,
)
from progsearch.config.option import Option
from progsearch.config.recipe import LogTarget, Objective, Recipe, SchedulerName
from progsearch.config.resources import Resources
from progsearch.config.rows import Rows
from progsearch.config.run import (
    TASK_FILES,
    ContributionConfig,
    FrozenDtype,
    Precision,
    RunConfig,
    StageConfig,
    TaskConfig,
    TrainingConfig,
    run_identity,
    training_under,
    with_seed,
)
from progsearch.config.sampler import SAMPLERS
from progsearch.config.storage_url import StorageUrl
from progsearch.config.store_url import shared_store
from progsearch.config.understood import Answers, Understood, UnderstoodSplit

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "SAMPLERS",
    "TASK_FILES",
    "Answers",
    "Config",
    "ConfigT",
    "ContributionConfig",
    "FrozenDtype",
    "Limits",
    "LogTarget",
    "MethodConfig",
    "MethodName",
    "MethodSettings",
    "Objective",
    "Option",
    "Precision",
    "Recipe",
    "Resources",
    "Rows",
    "RunConfig",
    "SchedulerName",
    "StageConfig",
    "StorageUrl",
    "TaskConfig",
    "TrainingConfig",
    "Understood",
    "UnderstoodSplit",
    "method_of",
    "parse",
    "plain",
    "read_yaml",
    "run_identity",
    "shared_store",
    "training_under",
    "with_seed",
    "write_yaml",
    "yaml_of",
]
