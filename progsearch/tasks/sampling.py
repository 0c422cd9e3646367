"""Reproducible subsets that keep the shares of the classes."""

from __future__ import annotations

import numpy as np

# The subset of a task is part of the task: the same for every run, whatever its seed.
_SEED = 20_250_619


def spread_order(n_examples: int, strata: np.ndarray | None) -> np.ndarray:
    """An order of all examples in which every leading part has about the classes' shares.

    The j-th of the n examples of a class goes to position (j + 1/2) / n of the order; which
    example is the j-th is sampled from a fixed seed. Without classes all are only sampled.

    Args:
        n_examples: How many there are.
        strata: The class of each, shape (examples,); None: there are none.

    Returns:
        Indices, shape (examples,). The subset of a smaller size is part of that of a larger.
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
    """The indices, ascending, of ``size`` examples with about the classes' shares."""
    return np.sort(spread_order(n_examples, strata)[:size])


def spread_split(n_examples: int, strata: np.ndarray | None, *shares: float) -> list[np.ndarray]:
    """Cut the examples into parts with about the same shares of the classes.

    Args:
        n_examples: How many there are.
        strata: The class of each, shape (examples,); None: there are none.
        shares: Share of every part but the last, which takes the rest; a share gives at least
            one example.

    Returns:
        The indices of each part, ascending.
    """
    order = spread_order(n_examples, strata)
    sizes = [max(1, round(share * n_examples)) for share in shares]
    return [np.sort(part) for part in np.split(order, np.cumsum(sizes))]
