"""Matches a task with the trained head in a model's files by the class names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from progsearch.models.head import Head
from progsearch.tasks.examples import TextTask

_log = logging.getLogger(__name__)

_SHOWN = 10


def fit_to_head(task: TextTask, trained: Head | None) -> TextTask:
    """The task with its classes in the order of a trained head, or with a new head.

    Args:
        task: The task as read.
        trained: The head in the model's files, if there is one.

    Returns:
        The unchanged task if there is no trained head of its kind. Otherwise the first case that
        applies: if the class names are the same, the task with the head's class order; if one
        side only has numbers as names, the unchanged task; else the task with a new head.
    """
    head = task.head
    if trained is None or not head.is_new or trained.auto_class != head.auto_class:
        return task
    if trained.n_outputs != head.n_outputs:
        return _with_new_head(task, trained)
    if not head.label_names:
        return task
    order = _order(trained.label_names, head.label_names)
    if order is not None:
        return _in_order(task, trained, order)
    if _are_generic(trained.label_names) or _are_indices(head.label_names):
        _log.warning(
            "the classes %s of the model's trained head are assumed to be the classes %s of the "
            "data, in this order; the names do not show whether this is right",
            _in_words(trained.label_names),
            _in_words(head.label_names),
        )
        return task
    return _with_new_head(task, trained)


def is_kept(head: Head, trained: Head) -> bool:
    """Whether a model with the head of a task from `fit_to_head` keeps the trained head."""
    return (
        trained.auto_class == head.auto_class
        and trained.n_outputs == head.n_outputs
        and not head.replaces
    )


def _in_order(task: TextTask, trained: Head, order: list[int]) -> TextTask:
    if order == list(range(len(order))):
        return task
    fitted = task.type.in_order(task, order)
    if fitted is None:
        return _with_new_head(task, trained)
    _log.info(
        "the model's trained head is used, so the classes are in its order: %s",
        _in_words(fitted.head.label_names),
    )
    return fitted


def _with_new_head(task: TextTask, trained: Head) -> TextTask:
    _log.warning(
        "the model's trained head (%s) does not fit the task (%s), so it is replaced by a new, "
        "untrained one",
        _outputs_in_words(trained),
        _outputs_in_words(task.head),
    )
    return replace(task, head=replace(task.head, replaces=True))


def _order(trained: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """The index in ``names`` of each class of a trained head; None if the names differ."""
    if _are_generic(trained) and _are_indices(names):
        return list(range(len(names)))
    for key in (str.strip, lambda name: name.strip().casefold()):
        places = {key(name): index for index, name in enumerate(names)}
        found = [places.get(key(name)) for name in trained]
        order = [place for place in found if place is not None]
        if sorted(order) == list(range(len(names))):
            return order
    return None


def _are_generic(names: Sequence[str]) -> bool:
    """Whether they are the default names of transformers for classes without names."""
    return list(names) == [f"LABEL_{index}" for index in range(len(names))]


def _are_indices(names: Sequence[str]) -> bool:
    return list(names) == [str(index) for index in range(len(names))]


def _outputs_in_words(head: Head) -> str:
    if head.n_outputs == 1:
        return "one number"
    if not head.label_names or _are_generic(head.label_names):
        return f"{head.n_outputs} classes"
    return f"{head.n_outputs} classes: {_in_words(head.label_names)}"


def _in_words(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
