"""Task types: one file each; other packages add theirs through an entry point.

The entry point group is ``progsearch.task_types``; `progsearch.tasks.types.base` defines the
interface.
"""

from __future__ import annotations

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.registry import Registry
from progsearch.tasks.sources.source import Source
from progsearch.tasks.types.base import Metric, TaskType
from progsearch.tasks.types.choice import MultipleChoice
from progsearch.tasks.types.classification import Classification
from progsearch.tasks.types.multilabel import MultiLabel
from progsearch.tasks.types.regression import Regression
from progsearch.tasks.types.span import Span
from progsearch.tasks.types.texts import TextType

__all__ = ["TASK_TYPES", "Metric", "TaskType", "TextType", "type_of"]

TASK_TYPES: Registry[TaskType] = Registry(
    "task type",
    "progsearch.task_types",
    TaskType,  # type: ignore[type-abstract]
    TaskError,
    # In the order in which they are asked whether they recognise the data. Classification takes
    # all data, so it is the last.
    (Span, MultipleChoice, MultiLabel, Regression, Classification),
)


def type_of(source: Source, config: TaskConfig) -> TaskType:
    """The type of a task: given by the user or the source, or the first to recognise the data.

    Types of other packages are not asked, as `TaskType.recognises` explains.

    Raises:
        TaskError: There is no such type, or the data cannot be used.
    """
    name = config.type or source.type
    if name is not None:
        return TASK_TYPES.get(name)()
    types = (TASK_TYPES.get(known)() for known in TASK_TYPES.built_in)
    return next(found for found in types if found.recognises(source, config))
