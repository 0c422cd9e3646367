"""The nine GLUE tasks, from a folder in the GLUE layout or from the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from progsearch.errors import TaskError
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.sources.catalogue import DEMO, GlueTask
from progsearch.tasks.sources.hub_data import load_from_hub
from progsearch.tasks.sources.tables import Table, read_glue_tsv

_HUB_NAME = "nyu-mll/glue"


def read_glue(task: GlueTask, data_dir: str | None) -> TextTask:
    """Read a GLUE task. Its test sets are not labelled, so there is none.

    Args:
        task: Which one.
        data_dir: The task's folder, or the folder of all of them; None for the hub.

    Raises:
        TaskError: The data is not there or not as GLUE has it.
    """
    if data_dir is None:
        instead = (
            f"give a folder with the GLUE files of {task.name} with --data-dir, or try the "
            f"embedded demo with --task {DEMO}"
        )
        splits = load_from_hub(_HUB_NAME, task.name, instead)
        train, validation, *extra = (
            _examples(splits[name], task, task.hub_text_columns, "label")
            for name in ("train", task.validation[1], *(e[2] for e in task.extra_validation))
        )
    else:
        folder = _task_folder(task, Path(data_dir))
        train, validation, *extra = (
            _examples(
                read_glue_tsv(folder / f"{stem}.tsv", task.header),
                task,
                task.text_columns,
                task.label_column,
            )
            for stem in ("train", task.validation[0], *(e[1] for e in task.extra_validation))
        )
    names = [name for name, _, _ in task.extra_validation]
    return TextTask(
        name=task.name,
        train=train,
        validation=validation,
        label_names=task.labels,
        metrics=task.metrics,
        extra_validation=dict(zip(names, extra, strict=True)),
    )


def _task_folder(task: GlueTask, data_dir: Path) -> Path:
    for folder in (data_dir, data_dir / task.folder):
        if (folder / "train.tsv").is_file():
            return folder
    raise TaskError(
        f"--data-dir {data_dir} holds neither train.tsv nor {task.folder}/train.tsv: give the "
        f"folder of {task.name}, or that of all GLUE tasks"
    )


def _examples(table: Table, task: GlueTask, texts: tuple[str, ...], label: str) -> Examples:
    indices = {name: index for index, name in enumerate(task.labels)}
    indices |= {str(index): index for index in range(len(task.labels))}
    labels = []
    for row, value in enumerate(table.column(label), 1):
        number = _number(value) if not task.labels else indices.get(str(value))
        if number is None:
            expected = f"one of {', '.join(task.labels)}" if task.labels else "a number"
            raise TaskError(
                f"{table.source}, row {row}: {label} must be {expected}, got {value!r}; is this "
                f"the data of {task.name}?"
            )
        labels.append(number)
    return Examples(
        tuple(table.column(name) for name in texts),
        np.array(labels, dtype=np.int64 if task.labels else np.float32),
    )


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
