"""Tasks: their data, their types and their metrics.

`load_task_for` returns tokenised data that fits a model, for the nine GLUE tasks, the user's own
files, data sets on the hub, and the embedded demo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progsearch.tasks.sources.catalogue import task_names

if TYPE_CHECKING:
    from progsearch.tasks.loading import TaskData, load_task, load_task_for
    from progsearch.tasks.reading import check_task
    from progsearch.tasks.split import Split
    from progsearch.tasks.understanding import understand

__all__ = [
    "Split",
    "TaskData",
    "check_task",
    "load_task",
    "load_task_for",
    "task_names",
    "understand",
]

_HOMES = {
    "Split": "split",
    "TaskData": "loading",
    "check_task": "reading",
    "load_task": "loading",
    "load_task_for": "loading",
    "understand": "understanding",
}


def __getattr__(name: str) -> Any:
    # Lazy, so that `progsearch ls tasks` imports neither torch nor datasets.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"progsearch.tasks.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'progsearch.tasks' has no attribute {name!r}")
