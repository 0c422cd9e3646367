"""The nine GLUE tasks, from a folder in the GLUE layout or from the hub."""

from __future__ import annotations

from os.path import isfile
from pathlib import Path
from typing import Any

from progsearch.errors import TaskError
from progsearch.tasks.sources.catalogue import DEMO, GLUE_ON_HUB, GlueTask
from progsearch.tasks.sources.cells import number
from progsearch.tasks.sources.hub_data import load_from_hub
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import Table, read_glue_tsv


def read_glue(task: GlueTask, data_dir: str | None) -> Source:
    """Read a GLUE task. GLUE's test sets have no labels, so the source has no test data.

    Args:
        task: The task.
        data_dir: The task's folder, or the folder of all GLUE tasks; None for the hub.

    Raises:
        TaskError: The data is missing or does not have GLUE's format.
    """
    if data_dir is None:
        instead = (
            f"give a folder with the GLUE files of {task.name} with --data-dir, or try the "
            f"embedded demo with --task {DEMO}"
        )
        splits = load_from_hub(GLUE_ON_HUB, task.name, instead)
        texts, label = task.hub_text_columns, "label"
        train, validation, *extra = (
            _checked(splits[name], task, label)
            for name in ("train", task.validation[1], *(e[2] for e in task.extra_validation))
        )
    else:
        folder = _task_folder(task, Path(data_dir))
        texts, label = task.text_columns, task.label_column
        train, validation, *extra = (
            _checked(read_glue_tsv(folder / f"{stem}.tsv", task.header), task, label)
            for stem in ("train", task.validation[0], *(e[1] for e in task.extra_validation))
        )
    names = [name for name, _, _ in task.extra_validation]
    return Source(
        name=task.name,
        train=train,
        validation=validation,
        extra_validation=dict(zip(names, extra, strict=True)),
        type=task.type,
        text_columns=texts,
        label_column=label,
        metrics=task.metrics,
        is_official=True,
    )


def _task_folder(task: GlueTask, data_dir: Path) -> Path:
    for folder in (data_dir, data_dir / task.folder):
        if isfile(folder / "train.tsv"):
            return folder
    raise TaskError(
        f"--data-dir {data_dir} has neither train.tsv nor {task.folder}/train.tsv: give the "
        f"folder of {task.name}, or the folder of all GLUE tasks"
    )


def _checked(table: Table, task: GlueTask, label: str) -> Table:
    """The table with its labels as class names, or as numbers."""
    names = {name: name for name in task.labels}
    names |= {str(index): name for index, name in enumerate(task.labels)}
    labels: list[Any] = []
    for row, value in enumerate(table.column(label), 1):
        read = number(value) if not task.labels else names.get(str(value))
        if read is None:
            expected = f"one of {', '.join(task.labels)}" if task.labels else "a number"
            raise TaskError(
                f"{table.source}, row {row}: {label} must be {expected}, got {value!r}; is this "
                f"the data of {task.name}?"
            )
        labels.append(read)
    classes = {label: task.labels} if task.labels else {}
    return Table(table.source, table.columns | {label: labels}, classes)
