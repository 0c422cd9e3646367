"""One training run, whole: what a trial runs and what `progsearch export` writes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from progsearch.cache import content_key
from progsearch.config.base import Config
from progsearch.config.method import MethodConfig, MethodSettings, method_of
from progsearch.config.option import Option
from progsearch.config.understood import Understood

Precision = Literal["auto", "fp32", "bf16", "fp16"]
FrozenDtype = Literal["auto", "fp32", "bf16", "nf4"]
OptimizerName = Literal["adamw", "adamw-8bit"]

TASK_FILES = ("train_file", "validation_file", "test_file", "general_file")
"""The fields of `TaskConfig` that name the user's own files."""


def _joined(value: Any) -> Any:
    """A list of columns as one text; anything else as it is."""
    is_list = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return ",".join(value) if is_list else value


class TaskConfig(Config):
    """Which data to train on and how to read it."""

    name: Annotated[
        str,
        Option(
            "NAME",
            "A task of `progsearch ls tasks`, or a dataset of the hub (owner/name).",
            name="task",
            group="Data",
        ),
    ] = Field(min_length=1)
    type: Annotated[
        str | None,
        Option("TYPE", "A type of `progsearch ls types`, else recognised from the data."),
    ] = None
    data_dir: Annotated[
        str | None,
        Option("DIR", "A folder in the GLUE layout, instead of the hub.", form="path"),
    ] = None
    train_file: Annotated[
        str | None,
        Option(
            "FILE", "Your own training data: CSV, TSV, JSON, CoNLL, Parquet or Excel.", form="path"
        ),
    ] = None
    validation_file: Annotated[
        str | None,
        Option("FILE", "Validation data; without it a tenth of the training data.", form="path"),
    ] = None
    test_file: Annotated[str | None, Option("FILE", "Labelled test data.", form="path")] = None
    general_file: Annotated[
        str | None,
        Option(
            "FILE",
            "Text outside of the task, with --type causal-lm: how much the model forgets of it is "
            "reported.",
            form="path",
        ),
    ] = None
    answer_pattern: Annotated[
        str | None,
        Option(
            "REGEX",
            "What of a generated answer must be right, with --type causal-lm, such as "
            "'#### (.*)': the share of right answers is reported at the end of runs.",
        ),
    ] = Field(default=None, min_length=1)
    separator: Annotated[
        str | None,
        Option("CHAR", "What separates cells of CSV and TSV: , ; | or tab, else recognised."),
    ] = Field(default=None, min_length=1)
    encoding: Annotated[
        str | None,
        Option(
            "NAME",
            "Encoding of text files that are neither UTF-8 nor marked, such as windows-1252.",
        ),
    ] = Field(default=None, min_length=1)
    sheet: Annotated[str | None, Option("NAME", "The sheet of Excel files that have several.")] = (
        Field(default=None, min_length=1)
    )
    drop_missing: Annotated[
        bool, Option("", "Leave out rows without text or label (default: they are refused).")
    ] = False
    text_columns: Annotated[
        tuple[str, ...] | None,
        Option("A[,B]", "Columns of the text or the pair of texts, else inferred.", form="list"),
    ] = Field(default=None, min_length=1, max_length=2)
    label_column: Annotated[
        str | None,
        Option("A[,B...]", "Column of the label, or several of 0 and 1, else inferred."),
        BeforeValidator(_joined),
    ] = None
    metric: Annotated[
        str | None,
        Option(
            "NAME",
            "The task metric to maximise, of `progsearch ls task-metrics` (default: the task's "
            "usual one).",
            name="task_metric",
        ),
    ] = None
    positive_class: Annotated[
        str | None,
        Option("NAME", "Of two classes, the one whose F1 score f1 is."),
    ] = Field(default=None, min_length=1)
    max_train_samples: Annotated[
        int | None, Option("N", "Train on a fixed subset of N examples.")
    ] = Field(default=None, ge=1)
    max_length: Annotated[
        int | None,
        Option("N", "Tokens kept of an example (default: 128; span 384, causal-lm 1024)."),
    ] = Field(default=None, ge=4)
    doc_stride: Annotated[
        int | None,
        Option(
            "N",
            "Tokens that two windows of a long text share, with --type span (default: 128, at "
            "most a third of --max-length).",
        ),
    ] = Field(default=None, ge=0)


class TrainingConfig(Config):
    """How the steps of a run are made."""

    epochs: Annotated[
        int, Option("N", "Epochs of every trial (default {default}).", group="Training")
    ] = Field(default=3, ge=1)
    learning_rate: Annotated[
        float,
        Option(
            "RATE",
            "Of every run, instead of those of the space (default: several around the usual one: "
            "2e-5 for language models, else by the model's width; ten times that for LoRA, BitFit "
            "and adapters).",
            after="batch_size",
        ),
    ] = Field(default=1e-4, gt=0, lt=1)
    batch_size: Annotated[int, Option("N", "Examples of a step (default {default}).")] = Field(
        default=16, ge=1
    )
    gradient_accumulation: int = Field(default=1, ge=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    seed: Annotated[
        int, Option("N", "Of all random choices (default {default}).", after="precision")
    ] = Field(default=0, ge=0, le=2**31)
    precision: Annotated[Precision, Option("{choices}", "Default {default}.")] = "auto"
    frozen_dtype: Annotated[
        FrozenDtype,
        Option(
            "{choices}",
            "How the weights of frozen linear layers are held: auto changes no number; bf16 "
            "rounds them also where passes compute in fp32; nf4 rounds them to 4 bits, with "
            "bitsandbytes (default {default}).",
        ),
    ] = "auto"
    optimizer: Annotated[
        OptimizerName,
        Option(
            "{choices}",
            "adamw-8bit holds the moments of weights in 8 bits, with bitsandbytes: less memory, "
            "other numbers, slow on a CPU (default {default}).",
        ),
    ] = "adamw"
    gradient_checkpointing: Annotated[
        bool,
        Option(
            "",
            "Compute what trained blocks need for the backward pass again instead of keeping it: "
            "less memory, more time, the same numbers (default: no).",
        ),
    ] = False

    def decisive(self) -> dict[str, Any]:
        """The fields that decide the weights of a run; part of the keys of stored work."""
        left_out = {"gradient_checkpointing"}
        # The other two choices give the same bits.
        if self.frozen_dtype not in ("bf16", "nf4"):
            left_out.add("frozen_dtype")
        # Keys made before there was a choice stay valid.
        if self.optimizer == "adamw":
            left_out.add("optimizer")
        return self.model_dump(mode="json", exclude=left_out)


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
        metric: The contribution metric that scores the blocks.
        scores: The scores of the pre-trained model's blocks.
        rescore: Whether later stages choose their blocks by new scores when they begin; each
            trains as many blocks as planned.
        rescored: The scores by which blocks were chosen in this way, in the order of the stages.
    """

    metric: str
    scores: tuple[float, ...]
    rescore: bool = False
    rescored: tuple[tuple[float, ...], ...] | None = None


class RunConfig(Config):
    """One training run, whole: what a trial runs and what `progsearch export` writes.

    Attributes:
        costs: What was measured of the model; not read.
        results: What a search or `progsearch train` measured; not read.
        understood: The summary of the data that `progsearch train` writes; not read.
    """

    progsearch_version: str
    model: str
    task: TaskConfig
    method: MethodConfig = Field(default_factory=method_of)
    training: TrainingConfig = TrainingConfig()
    contribution: ContributionConfig | None = None
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    costs: dict[str, Any] | None = None
    results: dict[str, Any] | None = None
    understood: Understood | None = None


def training_under(method: MethodSettings, training: TrainingConfig) -> TrainingConfig:
    """The training, with frozen weights held as the method asks for."""
    if method.frozen_dtype is None:
        return training
    return training.model_copy(update={"frozen_dtype": method.frozen_dtype})


def run_identity(run: RunConfig) -> str:
    """Equal for configs that train the same, whatever else stands in their files."""
    fields = {"model", "task", "method", "stages"}
    training = {"training": run.training.decisive()}
    return content_key(run.model_dump(mode="json", include=fields) | training)


def with_seed(run: RunConfig, seed: int) -> RunConfig:
    """The same run with another seed."""
    training = run.training.model_copy(update={"seed": seed})
    return run.model_copy(update={"training": training})
