"""Tasks: what is learned, from which data, and how it is scored.

`load_task` gives tokenised data for the nine GLUE tasks, for the user's own files, for any
classification or regression data set of the hub and for the embedded demo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progsearch.tasks.sources.catalogue import task_names

if TYPE_CHECKING:
    from progsearch.tasks.loading import TaskData, load_task
    from progsearch.tasks.reading import check_task
    from progsearch.tasks.split import Split
    from progsearch.tasks.understanding import understand

__all__ = ["Split", "TaskData", "check_task", "load_task", "task_names", "understand"]

_HOMES = {
    "Split": "split",
    "TaskData": "loading",
    "check_task": "reading",
    "load_task": "loading",
    "understand": "understanding",
}


def __getattr__(name: str) -> Any:
    # Lazy, so that `progsearch ls tasks` stays free of torch and datasets.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"progsearch.tasks.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'progsearch.tasks' has no attribute {name!r}")
