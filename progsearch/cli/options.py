"""Options that several subcommands share, and how they become a recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from progsearch.config import Recipe, TaskConfig, parse, read_yaml
from progsearch.errors import ConfigError, TaskError
from progsearch.models.loading import ALIASES

DEFAULTS = Recipe(task=TaskConfig(name="any"))
STUDIES = Path("studies")
StudiesDir = Annotated[Path, typer.Option(metavar="DIR", help="Where study folders lie.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only the final lines.")]
Study = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name or its folder.")]
# What `--pick` takes, in words.
PICKS = (
    "knee (the front's bend), best (highest metric), cheapest@DROP (the cheapest at most DROP "
    "below full fine-tuning, such as 0.01 or 1pt), a trial's number or a baseline's name"
)

Task = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A task of `progsearch ls tasks`, or a dataset of the hub (owner/name).",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="A hub name, a local folder or an alias of `progsearch ls models` "
        f"(default {DEFAULTS.model}).",
    ),
]
DataDir = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="A folder in the GLUE layout, instead of the hub."),
]
TrainFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Your own training data: CSV, TSV, JSONL or Parquet."),
]
ValidationFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Validation data; without it a tenth of the training data."),
]
TestFile = Annotated[str | None, typer.Option(metavar="FILE", help="Labelled test data.")]
TextColumns = Annotated[
    str | None,
    typer.Option(metavar="A[,B]", help="Columns of the text or the pair of texts, else inferred."),
]
LabelColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column of the label, else inferred.")
]
MaxTrainSamples = Annotated[
    int | None, typer.Option(metavar="N", help="Train on a fixed subset of N examples.")
]
MaxLength = Annotated[
    int | None,
    typer.Option(
        metavar="N", help=f"Tokens kept of an example (default {DEFAULTS.task.max_length})."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", help=f"Of all random choices (default {DEFAULTS.training.seed})."),
]

# Where in a recipe each option of the command line goes.
PLACES = {
    "task": "task.name",
    "data_dir": "task.data_dir",
    "train_file": "task.train_file",
    "validation_file": "task.validation_file",
    "test_file": "task.test_file",
    "text_columns": "task.text_columns",
    "label_column": "task.label_column",
    "task_metric": "task.metric",
    "max_train_samples": "task.max_train_samples",
    "max_length": "task.max_length",
    "study": "study",
    "model": "model",
    "space": "space",
    "method": "methods",
    "objective": "objectives",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "seed": "training.seed",
    "precision": "training.precision",
    "sampler": "sampler",
    "candidates": "candidates",
    "scheduler": "scheduler",
    "warm_start": "warm_start",
    "budget": "budget",
    "seeds": "seeds",
    "time": "time_limit",
    "max_gpu_hours": "max_gpu_hours",
    "patience": "patience",
    "max_updated": "max_updated",
    "min_metric": "min_metric",
    "parallel": "parallel",
    "gpus_per_trial": "gpus_per_trial",
    "address": "address",
    "storage": "storage",
    "reuse": "reuse",
    "reuse_budget": "reuse_budget",
    "prefix_cache": "prefix_cache",
    "learning_rate": "training.learning_rate",
}
_LISTS = {"method", "text_columns"}
_TASK_FILES = ("data_dir", "train_file", "validation_file", "test_file")


def recipe_of(file: Path | None, options: Mapping[str, Any]) -> Recipe:
    """The recipe of a command line: its options over ``file`` over the defaults.

    Args:
        file: A recipe file, if one was given.
        options: The parameters of a command as typer parsed them. Those left out (None or an
            empty list) and those that have no place in a recipe are passed over.

    Raises:
        ConfigError: With every mistake; those of an option carry the option's name.
        TaskError: Neither the file nor the options say what to train on.
    """
    data = {} if file is None else read_yaml(file)
    if not isinstance(data, dict):
        raise ConfigError(str(file), [("", "is no recipe: it must hold keys such as task")])
    flags = {}
    for name, value in options.items():
        if name in PLACES and value not in (None, [], ()):
            flags[PLACES[name]] = f"--{name.replace('_', '-')}"
            _put(data, PLACES[name].split("."), _value(name, value))
    task = data.setdefault("task", {})
    if isinstance(task, dict) and "name" not in task and "train_file" in task:
        task["name"] = Path(str(task["train_file"])).stem
    if file is None and not task.get("name"):
        raise TaskError(
            "there is nothing to train on; give --task NAME (`progsearch ls tasks` lists them), "
            "--train-file FILE or a recipe file"
        )
    try:
        recipe = parse(Recipe, data, str(file))
    except ConfigError as error:
        raise _with_flags(error, flags, file) from None
    return with_absolute_paths(recipe)


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The recipe with its local paths made absolute, for workers run in folders of their own."""
    files = {name: getattr(recipe.task, name) for name in _TASK_FILES}
    task = {name: _absolute(path) for name, path in files.items() if path is not None}
    return recipe.model_copy(
        update={
            "task": recipe.task.model_copy(update=task),
            "model": recipe.model if recipe.model in ALIASES else _if_there(recipe.model),
            "space": _if_there(recipe.space),
        }
    )


def seconds_of(duration: str) -> float:
    """Seconds of a duration such as ``2h``, ``30m``, ``90s`` or ``1h30m``.

    Raises:
        ConfigError: It is written in another way.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", duration.strip())
    if not duration or match is None:
        raise ConfigError("--time", [("", f"write it like 2h, 30m or 90s, got {duration!r}")])
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(3600 * hours + 60 * minutes + seconds)


def check_target(file: Path, place: str, *, replace: bool) -> None:
    """Check that ``file`` can be written and that nothing is lost.

    Raises:
        ConfigError: It exists and must not be replaced, or its folder does not exist; ``place``
            is the option or argument that named it.
    """
    if file.exists() and not replace:
        raise ConfigError(
            place, [("", f"{file} exists already; choose another name or add --force")]
        )
    if not file.parent.is_dir():
        raise ConfigError(place, [("", f"there is no folder {file.parent}; make it first")])


def _value(name: str, value: Any) -> Any:
    if name == "time":
        return seconds_of(value)
    if name in _LISTS:
        return [part.strip() for part in value.split(",")]
    return value


def _put(data: dict[str, Any], place: list[str], value: Any) -> None:
    for key in place[:-1]:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            return  # a mistake in the file, reported when the whole is checked
    data[place[-1]] = value


def _with_flags(error: ConfigError, flags: Mapping[str, str], file: Path | None) -> ConfigError:
    """The same mistakes, under the options' names where options made them."""
    problems = []
    for path, text in error.problems:
        flag = next((f for place, f in flags.items() if f"{path}.".startswith(f"{place}.")), None)
        problems.append((flag or path, text))
    if len(problems) == 1 and problems[0][0] in flags.values():
        return ConfigError(problems[0][0], [("", problems[0][1])])
    return ConfigError("the command line" if file is None else str(file), problems)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _if_there(name: str) -> str:
    """The whole path of a file or folder; any other name, of the hub or built in, as it is."""
    return _absolute(name) if Path(name).expanduser().exists() else name
