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
from progsearch.tasks.types.causal_lm import CausalLM
from progsearch.tasks.types.choice import MultipleChoice
from progsearch.tasks.types.classification import Classification
from progsearch.tasks.types.multilabel import MultiLabel
from progsearch.tasks.types.regression import Regression
from progsearch.tasks.types.span import Span
from progsearch.tasks.types.texts import TextType
from progsearch.tasks.types.tokens import Tokens

__all__ = [
    "SEQUENCE",
    "TASK_TYPES",
    "Metric",
    "TaskType",
    "TextType",
    "described_types",
    "type_of",
    "types_called",
]

TASK_TYPES: Registry[TaskType] = Registry(
    "task type",
    "progsearch.task_types",
    TaskType,  # type: ignore[type-abstract]
    TaskError,
    # In the order in which they are asked whether they recognise the data. Classification takes
    # all data, so it is the last.
    (Span, MultipleChoice, Tokens, CausalLM, MultiLabel, Regression, Classification),
)

SEQUENCE = "sequence"
"""The name of the types with one answer per text, of which one is recognised from the data."""

_OF_SEQUENCES = (MultiLabel, Regression, Classification)


def types_called(name: str | None) -> list[type[TaskType]]:
    """The types that a name stands for; all that can be used if there is none.

    Raises:
        TaskError: There is no such type.
    """
    if name is None:
        return list(TASK_TYPES)
    return list(_OF_SEQUENCES) if name == SEQUENCE else [TASK_TYPES.get(name)]


def described_types() -> list[tuple[str, str]]:
    """Name and description of each type, and of the name that stands for several."""
    names = ", ".join(sorted(kind.name for kind in _OF_SEQUENCES))
    return [*TASK_TYPES.described(), (SEQUENCE, f"as recognised from the data: {names}")]


def type_of(source: Source, config: TaskConfig) -> TaskType:
    """The type of a task: given by the user or the source, or the first to recognise the data.

    Types of other packages are not asked, as `TaskType.recognises` explains.

    Raises:
        TaskError: There is no such type, or the data cannot be used.
    """
    name = config.type or source.type
    if name is not None and name != SEQUENCE:
        return TASK_TYPES.get(name)()
    known = (
        _OF_SEQUENCES if name else [TASK_TYPES.get(built_in) for built_in in TASK_TYPES.built_in]
    )
    types = (kind() for kind in known)
    return next(found for found in types if found.recognises(source, config))
