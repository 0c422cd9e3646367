import numpy as np

from progsearch.engine.shortcuts.sample import longest_row, rows_containing, short_rows
from progsearch.tasks import Split

PAD = 9


def rows_of(split):
    return [
        row[mask.bool()].tolist()
        for row, mask in (
            (batch["input_ids"][0], batch["attention_mask"][0])
            for batch in (split.batch([index]) for index in range(len(split)))
        )
    ]


def split_of(*rows):
    lengths = np.array([len(row) for row in rows])
    return Split(
        np.concatenate(rows), lengths, {"labels": np.zeros(len(rows), dtype=np.int64)}, pad_id=PAD
    )


def test_short_rows_have_two_lengths_and_the_padding_token_at_the_end_and_inside():
    split = split_of([1], [1, 2, 3], [1, 2, 3, 4], [5, 6, 7, 8, 1, 2])
    found = rows_of(short_rows(split, PAD))
    assert found[:2] == [[1, 2, 3], [1, 2, 3, 4]]
    assert sorted(found[2:]) == [[1, 2, 3, PAD], [1, PAD, 3, 4]]


def test_rows_of_the_data_that_hold_the_padding_token_are_among_them():
    split = split_of([1, 2, 3], [4, 5, PAD, 6, 7], [1, 2, 3, PAD, PAD], [1, 2, 3, 4])
    found = rows_of(short_rows(split, PAD))
    assert [4, 5, PAD, 6, 7] in found and [1, 2, 3, PAD, PAD] in found


def test_a_model_that_does_not_pad_takes_one_row():
    assert rows_of(short_rows(split_of([1, 2], [1, 2, 3]), None)) == [[1, 2]]


def test_rows_may_all_have_one_token():
    assert rows_of(short_rows(split_of([1], [2]), PAD)) == [[1], [PAD]]


def test_the_longest_row_is_as_it_is():
    assert rows_of(longest_row(split_of([1, 2], [3, 4, 5], [6]))) == [[3, 4, 5]]


def test_rows_that_contain_a_token_are_found():
    split = Split(np.array([5, 6, 7, 8, 9, 10]), np.array([1, 3, 0, 2]), {"labels": np.arange(4)})
    assert rows_containing(split, 7).tolist() == [False, True, False, False]
    assert rows_containing(split, 9).tolist() == [False, False, False, True]
    assert not rows_containing(split, 99).any()
