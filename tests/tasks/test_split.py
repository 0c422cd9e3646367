from __future__ import annotations

import numpy as np
import torch

from progsearch.tasks.split import IGNORED, Split, batch_units, joined, with_token


def make(**kwargs):
    return Split(
        np.array([5, 6, 7, 8, 9, 10]),
        np.array([1, 3, 0, 2]),
        {"labels": np.array([0, 1, 2, 1])},
        pad_id=99,
        **kwargs,
    )


def test_a_batch_is_padded_to_its_longest_example():
    batch = make().batch([3, 0])

    assert batch["input_ids"].tolist() == [[9, 10], [5, 99]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert batch["labels"].tolist() == [1, 0]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    assert "token_type_ids" not in batch


def test_token_types_are_padded_with_zeros():
    split = make(token_types=np.array([1, 1, 1, 2, 1, 1]))

    assert split.batch(np.array([0, 1, 2]))["token_type_ids"].tolist() == [
        [1, 0, 0],
        [1, 1, 2],
        [0, 0, 0],
    ]


def test_a_batch_goes_to_the_device_asked_for():
    batch = make().batch([1], device="meta")

    assert {tensor.device.type for tensor in batch.values()} == {"meta"}


def test_a_subset_gives_the_same_batches():
    split = make(token_types=np.arange(6))
    part = split.subset([3, 1])

    assert len(part) == 2
    assert part.lengths.tolist() == [2, 3]
    for mine, whole in ((0, 3), (1, 1)):
        for name, tensor in split.batch([whole]).items():
            assert part.batch([mine])[name].equal(tensor)


def test_regression_labels_stay_floats():
    split = Split(np.array([5]), np.array([1]), {"labels": np.array([2.5], dtype=np.float32)})

    assert split.targets["labels"].dtype == torch.float32
    assert split.batch([0])["labels"].tolist() == [2.5]


def test_the_fingerprint_follows_the_content():
    same, other = make(), make()
    other.targets["labels"][0] = 1
    moved = Split(
        np.array([5, 6, 7, 8, 9, 10]),
        np.array([2, 2, 0, 2]),
        {"labels": np.array([0, 1, 2, 1])},
        pad_id=99,
    )

    assert make().fingerprint() == same.fingerprint()
    assert len({split.fingerprint() for split in (same, other, moved)}) == 3
    assert make(token_types=np.zeros(6)).fingerprint() != same.fingerprint()


def per_token(**kwargs):
    targets = {"labels": np.array([1, IGNORED, 2, 3, IGNORED, IGNORED])}
    return Split(
        np.array([5, 6, 7, 8, 9, 10]),
        np.array([1, 3, 0, 2]),
        targets,
        per_token=True,
        pad_id=99,
        **kwargs,
    )


def test_targets_of_tokens_are_padded_with_what_the_loss_leaves_out():
    batch = per_token().batch([0, 1])

    assert batch["input_ids"].tolist() == [[5, 99, 99], [6, 7, 8]]
    assert batch["labels"].tolist() == [[1, IGNORED, IGNORED], [IGNORED, 2, 3]]


def test_a_row_counts_for_its_targets():
    assert make().units.tolist() == [1, 1, 1, 1]
    assert per_token().units.tolist() == [1, 2, 0, 0]
    assert batch_units(make().batch([0, 1, 3])) == 3
    assert batch_units(per_token().batch([0, 1, 3])) == 3


def test_a_subset_of_rows_with_targets_per_token():
    split = per_token(example_of=np.array([0, 1, 1, 2]))
    part = split.subset([3, 1])

    assert part.units.tolist() == [0, 2]
    assert part.example_of.tolist() == [2, 1]
    for mine, whole in ((0, 3), (1, 1)):
        for name, tensor in split.batch([whole]).items():
            assert part.batch([mine])[name].equal(tensor)


def test_rows_are_examples_of_their_own_unless_they_are_windows():
    assert make().example_of.tolist() == [0, 1, 2, 3]


def test_fingerprints_are_those_of_earlier_versions():
    # Computed by version 0.1.0; segments and studies were stored under them.
    assert make().fingerprint() == "160489f6cb41c629"
    assert make(token_types=np.array([1, 1, 1, 2, 1, 1])).fingerprint() == "3e6b12d604ae12bc"
    targets = {"labels": np.array([2.5], dtype=np.float32)}
    assert Split(np.array([5]), np.array([1]), targets).fingerprint() == "f09b3c23de14a7dc"
    assert per_token().fingerprint() != make().fingerprint()


def test_the_fingerprint_follows_which_example_a_row_belongs_to():
    windows = per_token(example_of=np.array([0, 1, 1, 2]))
    assert windows.fingerprint() != per_token().fingerprint()


def test_several_targets_of_a_row_are_none_of_its_tokens():
    # As many targets as tokens: their shape looks like that of per-token targets.
    targets = {"labels": np.array([[1.0, 0.0, -100.0], [0.0, 1.0, 1.0]], dtype=np.float32)}
    split = Split(np.arange(6), np.array([3, 3]), targets)
    assert batch_units(split.batch([0, 1])) == 2
    assert split.units.tolist() == [1, 1]


def test_a_row_with_another_token_leaves_the_split_as_it_was():
    split = make()
    changed = with_token(split, 1, 2, 99)
    assert changed.batch([0])["input_ids"].tolist() == [[6, 7, 99]]
    assert changed.targets["labels"].tolist() == [1]
    assert split.batch([1])["input_ids"].tolist() == [[6, 7, 8]]


def test_joined_splits_hold_the_rows_of_all():
    split = make(token_types=np.array([1, 1, 1, 2, 1, 1]))
    whole = joined([split.subset([3]), split.subset([1, 0])])
    assert whole.fingerprint() == split.subset([3, 1, 0]).fingerprint()
    tokens = per_token()
    first, *rest = range(len(tokens))
    whole = joined([tokens.subset([first]), tokens.subset(rest)])
    assert whole.fingerprint() == tokens.fingerprint()
