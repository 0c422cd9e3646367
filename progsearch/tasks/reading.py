"""Reads the texts of a task from any source; no tokenizer is needed."""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from os.path import isfile
from pathlib import Path

from progsearch.config import TASK_FILES, TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.examples import TextTask
from progsearch.tasks.sources.bbc_headlines import read_bbc_headlines
from progsearch.tasks.sources.catalogue import (
    DEMO,
    GLUE,
    HUB_TASKS,
    canonical_name,
    unknown_task,
)
from progsearch.tasks.sources.glue import read_glue
from progsearch.tasks.sources.own_data import read_files, read_hub_dataset, read_hub_task
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import TextFiles
from progsearch.tasks.types import SEQUENCE, type_of, types_called
from progsearch.tasks.types.causal_lm import CausalLM
from progsearch.tasks.types.classification import Classification
from progsearch.tasks.types.span import Span

_log = logging.getLogger(__name__)

_FORMAT = ("separator", "encoding", "sheet")
_COLUMNS = (*_FORMAT, "drop_missing", "text_columns", "label_column")


def check_task(config: TaskConfig) -> None:
    """Check everything about a task that needs no model: options, files, rows and labels.

    Raises:
        TaskError: The data is missing or cannot be used.
    """
    read_task(config)


def read_task(config: TaskConfig) -> TextTask:
    """Read the texts and labels of a task.

    Raises:
        TaskError: The data is missing or cannot be used.
    """
    _check_metric_name(config)
    # The number of examples and their maximum length do not affect reading.
    source = config.model_copy(update={"max_train_samples": None, "max_length": None})
    task = _read(source, file_times(config))
    if config.positive_class is not None and not isinstance(task.type, Classification):
        raise TaskError(
            f"--positive-class is for two classes, but task {task.name} has "
            f"{task.type.targets_in_words(task.head)}: leave it out"
        )
    if config.doc_stride is not None and not isinstance(task.type, Span):
        raise TaskError(
            f"--doc-stride is for windows of long texts, and task {task.name} of type "
            f"{task.type.name} has none: leave it out"
        )
    for option in ("general_file", "answer_pattern"):
        if getattr(config, option) is not None and not isinstance(task.type, CausalLM):
            raise TaskError(
                f"--{option.replace('_', '-')} is for language models, but task {task.name} has "
                f"{task.type.targets_in_words(task.head)}: leave it out, or give --type causal-lm"
            )
    return _with_primary(task, config.metric)


def file_times(config: TaskConfig) -> tuple[int, ...]:
    """When the user's files were last written, so that a changed file is read again."""
    paths = [Path(getattr(config, field) or "") for field in TASK_FILES]
    return tuple(path.stat().st_mtime_ns if isfile(path) else 0 for path in paths)


# A check is usually followed by loading the same task.
@functools.lru_cache(maxsize=1)
def _read(config: TaskConfig, times: tuple[int, ...]) -> TextTask:
    source = _source(config)
    kind = type_of(source, config)
    # The name of several types says no more than their own recognition.
    known = config.model_copy(update={"type": None}) if config.type == SEQUENCE else config
    return kind.read(source, known)


def _source(config: TaskConfig) -> Source:
    name = canonical_name(config.name)
    if name == DEMO:
        _refuse(config, name, ("data_dir", *TASK_FILES, *_COLUMNS))
        return read_bbc_headlines()
    if name in GLUE:
        _refuse(config, name, (*TASK_FILES, *_COLUMNS))
        return read_glue(GLUE[name], config.data_dir)
    if any(getattr(config, field) for field in TASK_FILES):
        _refuse(config, name, ("data_dir",))
        return read_files(config, HUB_TASKS.get(name), text_files=_text_files(config))
    if name in HUB_TASKS:
        _refuse(config, name, ("data_dir", *_FORMAT))
        return read_hub_task(HUB_TASKS[name])
    if "/" in name:
        _refuse(config, name, ("data_dir", *_FORMAT))
        return read_hub_dataset(config)
    raise unknown_task(name)


def _text_files(config: TaskConfig) -> TextFiles:
    """What ``.txt`` files hold, by the type that the user or the task's name gives."""
    named = HUB_TASKS.get(config.name)
    kind = config.type or (None if named is None else named.type)
    return types_called(kind)[0].text_files if kind else "table"


def _refuse(config: TaskConfig, name: str, fields: tuple[str, ...]) -> None:
    for field in fields:
        if getattr(config, field) not in (None, False):
            option = "--" + field.replace("_", "-")
            raise TaskError(
                f"task {name} does not read {option}: leave the option out, or give another --task"
            )


def _check_metric_name(config: TaskConfig) -> None:
    kinds = types_called(config.type)
    known = dict.fromkeys(metric.name for kind in kinds for metric in kind.metrics)
    if config.metric is not None and config.metric not in known:
        raise TaskError(
            f"there is no metric {config.metric!r} for tasks: give one of {', '.join(known)}"
        )


def _with_primary(task: TextTask, metric: str | None) -> TextTask:
    """The task with the metric that the user asked for as its primary one."""
    if metric is None:
        return task
    fitting = task.type.fitting_metrics(task)
    if metric not in fitting:
        raise TaskError(
            f"metric {metric} does not fit task {task.name} with its "
            f"{task.type.targets_in_words(task.head)}: give one of {', '.join(fitting)}"
        )
    (known,) = (each for each in task.type.metrics if each.name == metric)
    if known.maximised_as:
        _log.info(
            "of %s less is better, so %s is maximised, which ranks schedules in the same way",
            metric,
            known.maximised_as,
        )
        metric = known.maximised_as
    others = tuple(name for name in task.metrics if name != metric)
    return replace(task, metrics=(metric, *others))
