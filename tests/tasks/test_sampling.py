from __future__ import annotations

import numpy as np

from progsearch.tasks.sampling import spread_order, spread_split, spread_subset

LABELS = np.random.default_rng(0).choice(4, size=1000, p=[0.5, 0.3, 0.15, 0.05])


def test_subsets_have_the_shares_of_the_classes():
    whole = np.bincount(LABELS) / len(LABELS)

    for size in (60, 200, 777):
        share = np.bincount(LABELS[spread_subset(1000, LABELS, size)], minlength=4) / size
        assert np.abs(share - whole).max() <= 1 / size + 1e-9


def test_subsets_are_nested_ascending_and_repeatable():
    small, large = (spread_subset(1000, LABELS, size) for size in (100, 300))

    assert set(small) < set(large)
    assert (np.diff(small) > 0).all()
    assert (small == spread_subset(1000, LABELS.copy(), 100)).all()
    # A fixed choice is part of the task: a change makes results incomparable.
    assert small[:5].tolist() == [5, 6, 13, 43, 44]


def test_the_order_is_sampled_within_a_class_and_without_classes():
    ones = np.ones(50, dtype=np.int64)

    assert sorted(spread_order(50, ones)) == list(range(50))
    assert spread_order(50, ones).tolist() != list(range(50))
    assert sorted(spread_order(50, None)) == list(range(50))


def test_split_parts_are_disjoint_and_together_whole():
    validation, test, train = spread_split(1000, LABELS, 0.15, 0.1)

    assert (len(validation), len(test), len(train)) == (150, 100, 750)
    assert sorted([*validation, *test, *train]) == list(range(1000))
    for part in (validation, test, train):
        shares = np.bincount(LABELS[part]) / len(part)
        assert np.abs(shares - np.bincount(LABELS) / 1000).max() < 0.02
