"""The user's own data: files, or any data set of the hub."""

from __future__ import annotations

import logging
from pathlib import Path

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.columns import choose_columns, is_missing, read_texts
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.labels import learn_labels
from progsearch.tasks.sampling import spread_split
from progsearch.tasks.sources.catalogue import DEMO
from progsearch.tasks.sources.hub_data import load_from_hub
from progsearch.tasks.sources.tables import Table, read_table

_logger = logging.getLogger(__name__)

_VALIDATION_SHARE = 0.1
_VALIDATION_NAMES = ("validation", "valid", "val", "dev")


def read_files(config: TaskConfig) -> TextTask:
    """The task in ``config.train_file`` and the files beside it.

    Raises:
        TaskError: A file or a column cannot be used.
    """
    train, validation, test = (
        read_table(path) if path else None
        for path in (config.train_file, config.validation_file, config.test_file)
    )
    if train is None:
        raise TaskError(f"task {config.name} has no training data: name it with --train-file")
    return _task(config, train, validation, test)


def read_hub_dataset(config: TaskConfig) -> TextTask:
    """The task in a data set of the hub, ``owner/name`` or ``owner/name:subset``.

    Raises:
        TaskError: It cannot be loaded, has no training split or a column cannot be used.
    """
    if Path(config.name).is_file():
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
    return _task(config, splits["train"], validation, splits.get("test"), may_lack_labels=True)


def _task(
    config: TaskConfig,
    train: Table,
    validation: Table | None,
    test: Table | None,
    *,
    may_lack_labels: bool = False,
) -> TextTask:
    columns, label = choose_columns(train, config.text_columns, config.label_column)
    labels = learn_labels(train, label, config.metric)

    def examples(table: Table) -> Examples:
        texts = tuple(read_texts(table, column) for column in columns)
        return Examples(texts, labels.read(table))

    if test and may_lack_labels and all(map(is_missing, test.columns.get(label, []))):
        test = None
    training = examples(train)
    if validation:
        validating = examples(validation)
    else:
        training, validating = _cut_validation(train.source, training)
    metrics: tuple[str, ...] = ("pearson", "spearman")
    if labels.names:
        metrics = ("accuracy", "f1" if len(labels.names) == 2 else "f1_macro")
    return TextTask(
        name=config.name,
        train=training,
        validation=validating,
        test=examples(test) if test else None,
        label_names=labels.names,
        metrics=metrics,
    )


def _cut_validation(source: str, training: Examples) -> tuple[Examples, Examples]:
    if len(training) < 2:
        raise TaskError(
            f"{source} has one row, too few to keep some for validation: give more rows, or "
            "--validation-file"
        )
    validation, train = spread_split(training.labels, _VALIDATION_SHARE)
    _logger.info(
        "%s: no validation data given, so %d of %d training rows are kept for it",
        source,
        len(validation),
        len(training),
    )
    return training.subset(train), training.subset(validation)
