"""What a run and a study are made of, as data: read from YAML, checked, written back.

All models refuse unknown keys and report every mistake of a file at once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from progsearch.errors import ConfigError
from progsearch.limits import Limits

MethodName = Literal["full", "lora", "bitfit", "adapter"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Objective = Literal["metric", "updated_parameters", "flops", "seconds", "peak_memory"]
SamplerName = Literal["ehvi", "tpe", "nsga2", "gp", "random", "grid"]
SchedulerName = Literal["freeze-thaw", "dominance", "mo-asha", "none"]

LEARNING_SAMPLERS: tuple[SamplerName, ...] = ("tpe", "nsga2", "gp")
"""Those that draw better points with every result."""

# How many points are drawn for each trial of the sampler ehvi.
_CANDIDATES = 64

METHODS: dict[MethodName, str] = {
    "full": "every parameter",
    "lora": "low-rank updates of all linear layers of the blocks, and the head (Hu et al. 2022)",
    "bitfit": "biases of embeddings and blocks, and the head (Ben Zaken et al. 2022)",
    "adapter": "bottlenecks after attention and feed-forward, and the head (Houlsby et al. 2019)",
}
"""What each fine-tuning method trains, in a line."""


class Config(BaseModel):
    """Base of all configuration: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskConfig(Config):
    """Which data to train on and how to read it."""

    name: str = Field(min_length=1)
    data_dir: str | None = None
    train_file: str | None = None
    validation_file: str | None = None
    test_file: str | None = None
    text_columns: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=2)
    label_column: str | None = None
    metric: str | None = None
    max_train_samples: int | None = Field(default=None, ge=1)
    max_length: int = Field(default=128, ge=4)


class MethodConfig(Config):
    """Which parameters of a trainable block are trained."""

    name: MethodName = "full"
    lora_rank: int = Field(default=8, ge=1)
    lora_alpha: float = Field(default=16.0, gt=0)
    adapter_size: int = Field(default=64, ge=1)

    def own_fields(self) -> dict[str, Any]:
        """The name and the settings that this method reads; the others do not matter."""
        prefix = {"lora": "lora_", "adapter": "adapter_"}.get(self.name, "-")
        return {k: v for k, v in self.model_dump().items() if k == "name" or k.startswith(prefix)}


class TrainingConfig(Config):
    """How the steps of a run are made."""

    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0, lt=1)
    batch_size: int = Field(default=16, ge=1)
    gradient_accumulation: int = Field(default=1, ge=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)
    precision: Precision = "auto"


class StageConfig(Config):
    """One stage as it stands in a file; `progsearch.schedule` checks stages against each other."""

    start: float
    end: float
    trainable_blocks: tuple[int, ...]
    embeddings: bool
    head: bool = True


class ContributionConfig(Config):
    """The block scores a schedule was made from.

    Attributes:
        metric: What blocks are scored by.
        scores: Those of the pre-trained model.
        rescore: Whether the blocks of each later stage are still to be chosen, by new scores
            when it begins; as many are trained as the stage holds.
        rescored: The scores that blocks were chosen by in this way, in the order of the stages.
    """

    metric: str
    scores: tuple[float, ...]
    rescore: bool = False
    rescored: tuple[tuple[float, ...], ...] | None = None


class RunConfig(Config):
    """One training run, whole: what a trial runs and what `progsearch export` writes."""

    progsearch_version: str
    model: str
    task: TaskConfig
    method: MethodConfig = MethodConfig()
    training: TrainingConfig = TrainingConfig()
    contribution: ContributionConfig | None = None
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    costs: dict[str, Any] | None = None
    results: dict[str, Any] | None = None


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


def with_seed(run: RunConfig, seed: int) -> RunConfig:
    """The same run with another seed."""
    training = run.training.model_copy(update={"seed": seed})
    return run.model_copy(update={"training": training})


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def parse(kind: type[ConfigT], data: Any, source: str) -> ConfigT:
    """Check ``data`` against ``kind``.

    Raises:
        ConfigError: With every mistake and its place; ``source`` names the file.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        items = error.errors()
        problems = [
            (".".join(str(part) for part in item["loc"]), _sentence(item))
            for item in items
            # A list is "too short" for pydantic where only its items are wrong.
            if not any(_lies_in(other["loc"], item["loc"]) for other in items)
        ]
        raise ConfigError(source, problems) from None


def _lies_in(place: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _sentence(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        return "is missing; add it"
    given = repr(item["input"])
    if len(given) > 60:
        return message
    return f"{message[:1].lower()}{message[1:]}, got {given}"


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file; floats may be written ``1e-4``.

    Raises:
        ConfigError: The file is missing, unreadable or no YAML.
    """
    path = Path(path)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise ConfigError(str(path), [("", "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [("", f"cannot be read: {error}")]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(str(path), [(where, f"is not YAML: {what}")]) from None


def write_yaml(path: str | Path, data: Any, *, header: str = "") -> None:
    """Write ``header`` and ``data``: keys in the order given, short lists on one line."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=99)
    Path(path).write_text(header + text, encoding="utf-8")


def plain(config: BaseModel) -> dict[str, Any]:
    """A config as JSON-able data without its unset (None) fields."""
    return config.model_dump(mode="json", exclude_none=True)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads ``1e-4`` as a string; here it is a float."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


class _Dumper(yaml.SafeDumper):
    """Lists of numbers and words go on one line; anything nested gets lines of its own."""


def _represent_list(dumper: yaml.SafeDumper, data: list[Any] | tuple[Any, ...]) -> yaml.Node:
    flat = all(isinstance(item, (int, float, str, type(None))) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
