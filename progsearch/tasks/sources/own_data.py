"""The user's own data: files, or any data set of the hub."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from os.path import isfile

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.sources.catalogue import DEMO
from progsearch.tasks.sources.hub_data import load_from_hub
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import (
    DELIMITED,
    TEXT,
    Table,
    format_of,
    read_table,
    read_text,
)

_VALIDATION_NAMES = ("validation", "valid", "val", "dev")


def read_files(config: TaskConfig, *, whole_texts: bool = False) -> Source:
    """The task in ``config.train_file`` and the other files of the config.

    Args:
        config: Names the files.
        whole_texts: Whether a ``.txt`` file is one text instead of a table.

    Raises:
        TaskError: A file or a column cannot be used.
    """
    paths = (config.train_file, config.validation_file, config.test_file, config.general_file)
    _check_used("--separator", config.separator, DELIMITED, paths)
    _check_used("--encoding", config.encoding, TEXT, paths)
    train, validation, test, general = (
        _read(path, config, whole_texts=whole_texts or path == config.general_file)
        if path
        else None
        for path in paths
    )
    if train is None:
        raise TaskError(f"task {config.name} has no training data: name it with --train-file")
    return Source(config.name, train, validation, test, general=general)


def _read(path: str, config: TaskConfig, *, whole_texts: bool) -> Table:
    if whole_texts and format_of(path) == ".txt":
        return read_text(path, encoding=config.encoding)
    return read_table(path, separator=config.separator, encoding=config.encoding)


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
    instead = f"give your own data with --train-file, or try the embedded demo with --task {DEMO}"
    splits = load_from_hub(name, subset or None, instead)
    if "train" not in splits:
        raise TaskError(
            f"the data set {name} has no split 'train', only {', '.join(splits)}: choose another"
        )
    validation = next((splits[key] for key in _VALIDATION_NAMES if key in splits), None)
    test = splits.get("test")
    return Source(config.name, splits["train"], validation, test, may_lack_labels=True)
