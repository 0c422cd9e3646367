"""Task types: one file each; other packages add theirs by an entry point.

The entry point group is ``progsearch.task_types``; `progsearch.tasks.types.base` states the
contract.
"""

from __future__ import annotations

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.registry import Registry
from progsearch.tasks.sources.source import Source
from progsearch.tasks.types.base import Metric, TaskType
from progsearch.tasks.types.classification import Classification
from progsearch.tasks.types.regression import Regression
from progsearch.tasks.types.texts import TextType

__all__ = ["TASK_TYPES", "Metric", "TaskType", "TextType", "type_of"]

TASK_TYPES: Registry[TaskType] = Registry(
    "task type",
    "progsearch.task_types",
    TaskType,  # type: ignore[type-abstract]
    TaskError,
    # In the order in which they are asked whether data is of their type. Classification takes
    # whatever it is asked about, so it is the last.
    (Regression, Classification),
)


def type_of(source: Source, config: TaskConfig) -> TaskType:
    """The type of a task: the user's word, the source's, or the first that recognises the data.

    Types of other packages are not asked, as `TaskType.recognises` explains.

    Raises:
        TaskError: There is no such type, or the data cannot be used.
    """
    name = config.type or source.type
    if name is not None:
        return TASK_TYPES.get(name)()
    types = (TASK_TYPES.get(known)() for known in TASK_TYPES.built_in)
    return next(found for found in types if found.recognises(source, config))
