"""The user's own data: files, or any data set of the hub."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from os.path import isfile

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.sources.catalogue import DEMO, HubTask
from progsearch.tasks.sources.hub_data import load_from_hub
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import (
    DELIMITED,
    EXCEL,
    TEXT,
    Table,
    TextFiles,
    format_of,
    read_table,
    read_text,
)

_VALIDATION_NAMES = ("validation", "valid", "val", "dev")


def read_files(
    config: TaskConfig, named: HubTask | None = None, *, text_files: TextFiles = "table"
) -> Source:
    """The task in ``config.train_file`` and the other files of the config.

    Args:
        config: Names the files.
        named: The task of the hub that has the same name, so that files are of its type.
        text_files: What a ``.txt`` file holds.

    Raises:
        TaskError: A file or a column cannot be used.
    """
    paths = (config.train_file, config.validation_file, config.test_file, config.general_file)
    _check_used("--separator", config.separator, DELIMITED, paths)
    _check_used("--encoding", config.encoding, TEXT, paths)
    _check_used("--sheet", config.sheet, EXCEL, paths)
    train, validation, test = (
        _read(path, config, text_files) if path else None for path in paths[:3]
    )
    if train is None:
        raise TaskError(f"task {config.name} has no training data: name it with --train-file")
    general = _read(config.general_file, config, "text") if config.general_file else None
    kind = None if named is None else named.type
    return Source(config.name, train, validation, test, type=kind, general=general)


def _read(path: str, config: TaskConfig, text_files: TextFiles) -> Table:
    if text_files == "text" and format_of(path) == ".txt":
        return read_text(path, encoding=config.encoding)
    return read_table(
        path,
        separator=config.separator,
        encoding=config.encoding,
        sheet=config.sheet,
        has_words=text_files == "words",
    )


def _check_used(
    option: str, value: str | None, formats: Collection[str], paths: Sequence[str | None]
) -> None:
    """Refuse an option that none of the files needs."""
    if value is not None and not any(format_of(path) in formats for path in paths if path):
        raise TaskError(
            f"{option} {value} is for files that end in {', '.join(formats)}: leave it out"
        )


def read_hub_dataset(config: TaskConfig) -> Source:
    """The task in a data set of the hub, ``owner/name`` or ``owner/name:subset``.

    Raises:
        TaskError: It cannot be loaded or has no training split, or a column cannot be used.
    """
    if isfile(config.name):
        raise TaskError(
            f"task {config.name} is a file: give it with --train-file, and any name as the task"
        )
    name, _, subset = config.name.partition(":")
    return _from_hub(config.name, name, subset or None)


def read_hub_task(task: HubTask) -> Source:
    """A built-in task whose data is on the hub.

    Raises:
        TaskError: It cannot be loaded.
    """
    source = _from_hub(task.name, task.dataset, task.subset, task.revision)
    return replace(
        source, type=task.type, text_columns=task.text_columns, label_column=task.label_column
    )


def _from_hub(task: str, name: str, subset: str | None, revision: str | None = None) -> Source:
    instead = f"give your own data with --train-file, or try the embedded demo with --task {DEMO}"
    splits = load_from_hub(name, subset, instead, revision=revision)
    if "train" not in splits:
        raise TaskError(
            f"the data set {name} has no split 'train', only {', '.join(splits)}: choose another"
        )
    validation = next((splits[key] for key in _VALIDATION_NAMES if key in splits), None)
    test = splits.get("test")
    return Source(task, splits["train"], validation, test, may_lack_labels=True)
