"""Fits a task to the head that a model's files hold: by the names of its classes, or not."""

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
        task: As it was read.
        trained: The head that the model's files hold, if they hold one.

    Returns:
        The task as it is, if there is no trained head of its kind. Else, by the first that
        applies: with its classes in the order in which the trained head has the same names; as
        it is, if one side has numbers for names, which say nothing but an order; or with a head
        that is to be made new.
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
            "the model's head was trained, and that its classes %s are the data's %s, in this "
            "order, is an assumption: their names do not say it",
            _in_words(trained.label_names),
            _in_words(head.label_names),
        )
        return task
    return _with_new_head(task, trained)


def _in_order(task: TextTask, trained: Head, order: list[int]) -> TextTask:
    if order == list(range(len(order))):
        return task
    fitted = task.type.in_order(task, order)
    if fitted is None:
        return _with_new_head(task, trained)
    _log.info(
        "the model's trained head is used, so classes are in its order: %s",
        _in_words(fitted.head.label_names),
    )
    return fitted


def _with_new_head(task: TextTask, trained: Head) -> TextTask:
    _log.warning(
        "the head that the model was trained with (%s) does not fit the task (%s), so it gets a "
        "new, untrained one",
        _outputs_in_words(trained),
        _outputs_in_words(task.head),
    )
    return replace(task, head=replace(task.head, replaces=True))


def _order(trained: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """Which of ``names`` each class of a trained head is; None if they are not the same names."""
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
    """Whether they are what transformers calls classes without names."""
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
