"""Reproducible subsets that keep the class proportions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from progsearch.errors import TaskError

if TYPE_CHECKING:
    from progsearch.tasks.examples import Examples

_log = logging.getLogger(__name__)

_VALIDATION_SHARE = 0.1
# The subset belongs to the task: it is the same for every run, whatever the run's seed.
_SEED = 20_250_619


def spread_order(n_examples: int, strata: np.ndarray | None) -> np.ndarray:
    """An order of all examples in which every leading part has about the class proportions.

    The j-th of the n examples of a class goes to position (j + 1/2) / n of the order; examples
    are shuffled with a fixed seed first. Without classes they are only shuffled.

    Args:
        n_examples: Number of examples.
        strata: The class of each, shape (examples,); None if there are no classes.

    Returns:
        Indices, shape (examples,). A smaller subset is contained in every larger one.
    """
    order = np.random.default_rng(_SEED).permutation(n_examples)
    if strata is None:
        return order
    position = np.empty(n_examples)
    for stratum in np.unique(strata):
        members = strata[order] == stratum
        count = int(members.sum())
        position[members] = (np.arange(count) + 0.5) / count
    return order[np.argsort(position, kind="stable")]


def spread_subset(n_examples: int, strata: np.ndarray | None, size: int) -> np.ndarray:
    """The indices, ascending, of ``size`` examples with about the class proportions."""
    return np.sort(spread_order(n_examples, strata)[:size])


def spread_split(n_examples: int, strata: np.ndarray | None, *shares: float) -> list[np.ndarray]:
    """Split the examples into parts with about the same class proportions.

    Args:
        n_examples: Number of examples.
        strata: The class of each, shape (examples,); None if there are no classes.
        shares: Share of every part except the last, which gets the rest; each of these parts has
            at least one example.

    Returns:
        The indices of each part, ascending.
    """
    order = spread_order(n_examples, strata)
    sizes = [max(1, round(share * n_examples)) for share in shares]
    return [np.sort(part) for part in np.split(order, np.cumsum(sizes))]


def hold_out(
    source: str, training: Examples, strata: np.ndarray | None
) -> tuple[Examples, Examples]:
    """Hold out a tenth of the training examples for validation.

    Args:
        source: Where they are from, for messages.
        training: The examples.
        strata: The class of each, if there are classes.

    Returns:
        The other examples, and those held out.

    Raises:
        TaskError: There is only one.
    """
    if len(training) < 2:
        raise TaskError(
            f"{source} has only one row, too few to hold out validation data: give more rows, "
            "or --validation-file"
        )
    validation, train = spread_split(len(training), strata, _VALIDATION_SHARE)
    _log.info(
        "%s: no validation data given, so %d of %d training rows are held out for it",
        source,
        len(validation),
        len(training),
    )
    return training.subset(train), training.subset(validation)
