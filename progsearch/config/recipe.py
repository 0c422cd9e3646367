"""One study, whole: what `progsearch run` searches and `studies/*.yaml` hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from progsearch.config.base import Config
from progsearch.config.limits import Limits
from progsearch.config.method import MethodName
from progsearch.config.named import name_in
from progsearch.config.option import Option
from progsearch.config.resources import check_ranks, ranks_of, share_or_whole
from progsearch.config.run import TaskConfig, TrainingConfig
from progsearch.config.sampler import SAMPLERS, SamplerTraits
from progsearch.config.storage_url import StorageUrl
from progsearch.config.store_url import place_of_store
from progsearch.config.understood import Understood
from progsearch.numerals import bytes_of, fraction_of

# "metric" is the task's primary metric, not a contribution metric.
Objective = Literal[
    "metric", "updated_parameters", "flops", "seconds", "peak_memory", "forgetting"
]
SchedulerName = Literal["freeze-thaw", "dominance", "mo-asha", "none"]
LogTarget = Literal["tensorboard", "mlflow", "wandb"]


def _metric_first(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    """The objectives with the metric first; the costs keep their order."""
    return tuple(sorted(objectives, key=lambda name: name != "metric"))


class Recipe(Config):
    """One study, whole: what `progsearch run` searches and `studies/*.yaml` hold."""

    study: Annotated[
        str | None,
        Option(
            "NAME",
            "The study's name (default: task and model).",
            after="prefix_cache",
            group="Output",
        ),
    ] = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    model: Annotated[
        str,
        Option(
            "MODEL",
            "A hub name, a local folder or an alias of `progsearch ls models` "
            "(default {default}).",
            after="task",
            group="Model and method",
        ),
    ] = "minilm-l6"
    task: TaskConfig
    space: Annotated[
        str,
        Option(
            "SPACE",
            "A space of `progsearch ls spaces` or a file (default {default}).",
            group="Search",
        ),
    ] = "progtuning"
    methods: Annotated[
        tuple[MethodName, ...] | None,
        Option(
            "A[,B...]",
            "Methods to search over: {choices}.",
            name="method",
            form="list",
            group="Model and method",
        ),
    ] = Field(default=None, min_length=1)
    objectives: Annotated[
        tuple[Objective, ...],
        AfterValidator(_metric_first),
        Option(
            "NAME",
            "What to optimise, repeatable, in any order: up to three of {choices}; metric must be "
            "one (default {default}). forgetting needs --general-file.",
            name="objective",
            form="repeated",
            group="Objectives and limits",
        ),
    ] = Field(default=("metric", "updated_parameters"), min_length=1, max_length=3)
    budget: Annotated[
        int,
        Option(
            "N",
            "Searched trials, references not counted; one that is stopped early counts as the "
            "part of it that was trained (default {default}).",
            group="Search",
        ),
    ] = Field(default=30, ge=1)
    seeds: Annotated[
        int,
        Option(
            "K",
            "Train each trial with K seeds; its task metric is their mean (default {default}).",
        ),
    ] = Field(default=1, ge=1, le=20)
    front_seeds: Annotated[
        int,
        Option(
            "N",
            "Train every place on the front with N seeds, within the budget; 1 repeats nothing "
            "(default {default}).",
        ),
    ] = Field(default=3, ge=1, le=20)
    time_limit: Annotated[
        float | None,
        Option(
            "2h|30m|90s",
            "Stop after this time.",
            name="time",
            form="duration",
            group="Objectives and limits",
        ),
    ] = Field(default=None, gt=0, allow_inf_nan=False, description="seconds")
    max_gpu_hours: Annotated[
        float | None, Option("H", "Stop once trials have held GPUs for H hours.")
    ] = Field(default=None, gt=0, allow_inf_nan=False)
    patience: Annotated[
        int | None,
        Option("N", "Stop once the last N whole searched trials did not improve the front."),
    ] = Field(default=None, ge=1)
    max_updated: Annotated[
        float | None,
        BeforeValidator(fraction_of),
        Option(
            "SHARE",
            "Search only schedules that update at most this share of full fine-tuning's "
            "parameters, such as 50% or 0.5.",
            form="share",
        ),
    ] = Field(default=None, gt=0, le=1)
    min_metric: Annotated[
        float | None,
        BeforeValidator(fraction_of),
        Option(
            "VALUE",
            "Choose only schedules whose task metric is at least this, such as 85% or 0.85.",
            form="share",
        ),
    ] = Field(default=None, le=1)
    max_memory: Annotated[
        int | None,
        BeforeValidator(bytes_of),
        Option(
            "16GiB|800MiB",
            "Train only schedules whose predicted peak memory is at most this, references too.",
            form="size",
        ),
    ] = Field(default=None, gt=0, description="bytes")
    training: TrainingConfig = TrainingConfig()
    sampler: Annotated[
        str,
        AfterValidator(name_in(SAMPLERS)),
        Option(
            "{choices}",
            "How schedules are chosen, explained by `progsearch ls samplers`; ehvi chooses by "
            "what each is expected to add to the front for its time (default {default}).",
            group="Search",
        ),
    ] = "ehvi"
    candidates: Annotated[
        int | None,
        Option(
            "N",
            "Points sampled for each trial, to train the one that promises most for its time "
            "(default: what the sampler asks for, 64 with ehvi, mostly 1).",
        ),
    ] = Field(default=None, ge=1)
    # Picks a judge (`progsearch.strategy.judges`), which decides when to stop a trial.
    scheduler: Annotated[
        SchedulerName | None,
        Option(
            "{choices}",
            "Which trials are stopped before their end: those that promise less for their time "
            "than a waiting candidate (the default if there are some, as with ehvi), those whose "
            "place on the front has become implausible (else the default), those that successive "
            "halving leaves behind, or none.",
        ),
    ] = None
    warm_start: Annotated[
        str | None,
        Option(
            "STUDY",
            "An earlier study, of another task, model or data size: its best schedules are tried "
            "first, and what it found guides the search.",
        ),
    ] = Field(default=None, min_length=1)
    parallel: Annotated[
        int | None,
        Option(
            "N", "Trials at once (default: as processors and memory allow).", group="Resources"
        ),
    ] = Field(default=None, ge=1)
    gpus_per_trial: Annotated[
        float | None,
        AfterValidator(share_or_whole),
        Option(
            "F",
            "A share of a GPU, or a whole number of GPUs that train each trial together "
            "(default 1).",
        ),
    ] = Field(default=None, ge=0, allow_inf_nan=False)
    processes_per_trial: Annotated[
        int | None,
        Option("N", "Processes that train each trial together, without GPUs (default 1)."),
    ] = Field(default=None, ge=1)
    address: Annotated[str | None, Option("ADDRESS", "A running Ray cluster to use.")] = None
    reconnect: Annotated[
        float,
        Option(
            "10m|90s",
            "How long to wait for a cluster that does not answer any more (default 10m).",
            form="duration",
        ),
    ] = Field(default=600.0, ge=0, allow_inf_nan=False, description="seconds")
    storage: Annotated[
        StorageUrl | None,
        Option(
            "URL",
            "An Optuna storage instead of the journal file (default: PROGSEARCH_STORAGE). Its "
            "secrets are not kept; later commands take them from there, too.",
        ),
    ] = None
    storage_timeout: Annotated[
        float | None,
        Option(
            "30s|5m",
            "How long a database may not answer before the search ends, with all results saved "
            "(default: 5m).",
            form="duration",
        ),
    ] = Field(default=None, ge=0, allow_inf_nan=False, description="seconds")
    log_to: Annotated[
        tuple[LogTarget, ...] | None,
        Option(
            "A[,B...]",
            "Log each run's metrics and settings: {choices}. Files are in the study's folder; the "
            "packages come with the extras of these names.",
            form="list",
        ),
    ] = Field(default=None, min_length=1)
    reuse: Annotated[
        bool,
        Option("", "Start trials from steps that earlier trials have trained (default: yes)."),
    ] = True
    reuse_budget: Annotated[
        float | None,
        Option(
            "GIB",
            "Disk that reusable work may take, for all studies of this machine (default: a fifth "
            "of what is free, at most 20).",
        ),
    ] = Field(default=None, gt=0, allow_inf_nan=False)
    store: Annotated[
        str | None,
        AfterValidator(place_of_store),
        Option(
            "URL",
            "A folder or an object store (s3://BUCKET/FOLDER, gs://...) in which machines share "
            "the steps that they have trained (default: PROGSEARCH_STORE).",
        ),
    ] = None
    prefix_cache: Annotated[
        bool, Option("", "Keep the output of frozen blocks (default: yes).")
    ] = True
    understood: Understood | None = Field(
        default=None, description="summary of the data; written by a search, not read"
    )

    @model_validator(mode="after")
    def _check_objectives(self) -> Recipe:
        if "metric" not in self.objectives:
            raise ValueError(
                "the objectives must include the task's metric, such as metric, seconds; "
                f"got {', '.join(self.objectives)}"
            )
        if len(set(self.objectives)) != len(self.objectives):
            raise ValueError("the same objective is given twice")
        if "forgetting" in self.objectives and self.task.general_file is None:
            raise ValueError(
                "the objective forgetting is what a language model's loss on a general text gains "
                "by the training; give that text with --general-file (general_file under task)"
            )
        if self.methods is not None and len(set(self.methods)) != len(self.methods):
            raise ValueError("the same method is given twice")
        return self

    @model_validator(mode="after")
    def _check_scheduler(self) -> Recipe:
        if self.scheduler == "freeze-thaw" and not self.keeps_candidates:
            what_to_do = (
                f"the sampler {self.sampler} draws new ones for each trial; use the scheduler"
                if self._sampler.learns
                else "there is one for each trial; use more candidates, or the scheduler"
            )
            raise ValueError(
                "the scheduler freeze-thaw compares trials with waiting candidates, and "
                f"{what_to_do} dominance, mo-asha or none"
            )
        return self

    @model_validator(mode="after")
    def _check_ranks(self) -> Recipe:
        check_ranks(self.gpus_per_trial, self.processes_per_trial, self.training.batch_size)
        return self

    @property
    def ranks_per_trial(self) -> int:
        """The number of processes that train one trial together; see `ranks_of`."""
        return ranks_of(self.gpus_per_trial, self.processes_per_trial)

    @property
    def _sampler(self) -> type[SamplerTraits]:
        return SAMPLERS.get(self.sampler)

    @property
    def n_candidates(self) -> int:
        """How many points are sampled for each trial, to train the most promising."""
        return self.candidates or self._sampler.candidates

    @property
    def keeps_candidates(self) -> bool:
        """Whether points that were not chosen wait to be chosen from again."""
        return self.n_candidates > 1 and not self._sampler.learns

    @property
    def judged_by(self) -> SchedulerName:
        """The name of the judge: ``scheduler``, or by default the best one for the sampler."""
        return self.scheduler or ("freeze-thaw" if self.keeps_candidates else "dominance")

    @property
    def limits(self) -> Limits:
        """The limits that a schedule must satisfy to be chosen."""
        return Limits(self.max_updated, self.min_metric, self.max_memory)
