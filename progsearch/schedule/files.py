"""Exported configs: files that train one schedule and need nothing of the study it came from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from progsearch.config import (
    RunConfig,
    StageConfig,
    parse,
    plain,
    read_yaml,
    write_yaml,
)
from progsearch.errors import ConfigError, ScheduleError
from progsearch.paths import reason_of
from progsearch.schedule.stages import check_stages, stages_of
from progsearch.version import __version__

_HEADER = """\
# A fine-tuning schedule of progsearch.
#   progsearch train THIS_FILE --output-dir DIR     trains it and saves the model
# Stages, method and training settings may be edited: `train` computes `costs` again and replaces
# `results` by what it measures.
"""


def write_config(config: RunConfig, path: str | Path) -> None:
    """Write a config, with comments on its use.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        write_yaml(path, plain(config), header=_HEADER)
    except OSError as error:
        raise ConfigError(str(path), [("", f"cannot be written: {reason_of(error)}")]) from None


def read_config(path: str | PathLike[str]) -> RunConfig:
    """Read a config that `write_config` wrote or a person edited.

    A file of a newer version may hold keys that this one does not know: they are dropped with a
    warning.

    Raises:
        ConfigError: With every mistake of the file, those between stages included.
    """
    source = str(path)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(source, [("", "is not a schedule file of `progsearch export`")])
    if _version(data.get("progsearch_version")) > _version(__version__):
        data = _without_unknown_keys(data, source)
    problems = _stage_problems(data)
    try:
        config = parse(RunConfig, data, source)
    except ConfigError as error:
        raise ConfigError(source, [*error.problems, *problems]) from None
    if problems:
        raise ConfigError(source, problems)
    return config


def given_config(given: object) -> RunConfig:
    """The config that a caller gave as a file's path or as its content.

    Raises:
        ConfigError: It is neither, or the file is not such a config.
    """
    if isinstance(given, RunConfig):
        return given
    if isinstance(given, str | PathLike):
        return read_config(given)
    shown = (
        repr(given) if given is None or isinstance(given, int | float) else type(given).__name__
    )
    if isinstance(getattr(given, "config", None), RunConfig):
        shown += "; give its `config`"
    raise ConfigError(
        "config", [("", f"must be a file of `progsearch export` or its content, got {shown}")]
    )


def blocks_of_model(stages: Sequence[StageConfig], costs: Any) -> int:
    """How many blocks the model of a config has: by its costs, else by its highest block."""
    known = known_blocks(costs)
    if known is not None:
        return known
    return 1 + max((block for stage in stages for block in stage.trainable_blocks), default=0)


def known_blocks(costs: Any) -> int | None:
    """How many blocks the model of a config has by its costs; None if they do not say it."""
    known = costs.get("n_blocks") if isinstance(costs, dict) else None
    return known if isinstance(known, int) else None


def _version(text: Any) -> tuple[int, ...]:
    """The leading numbers of a version; empty if there are none."""
    match = re.match(r"\d+(\.\d+)*", str(text))
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _without_unknown_keys(data: dict[str, Any], source: str) -> dict[str, Any]:
    try:
        RunConfig.model_validate(data)
    except ValidationError as error:
        places = [item["loc"] for item in error.errors() if item["type"] == "extra_forbidden"]
    else:
        return data
    for *parents, key in places:
        holder: Any = data
        for parent in parents:
            holder = holder[parent]
        del holder[key]
    if places:
        names = ", ".join(".".join(str(part) for part in place) for place in places)
        warnings.warn(
            f"{source} was written by progsearch {data['progsearch_version']}, newer than this "
            f"{__version__}; unknown keys were dropped: {names}",
            stacklevel=3,
        )
    return data


def _stage_problems(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Mistakes between stages that are each valid."""
    try:
        stages = TypeAdapter(list[StageConfig]).validate_python(data.get("stages"))
    except ValidationError:
        return []
    try:
        check_stages(
            stages_of(stage.model_dump() for stage in stages),
            blocks_of_model(stages, data.get("costs")),
        )
    except ScheduleError as error:
        return [("", str(error))]
    return []
