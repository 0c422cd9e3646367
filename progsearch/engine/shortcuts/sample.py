"""Selects a few rows of a split that cover every shape a shortcut could depend on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from progsearch.tasks import Split
from progsearch.tasks.split import joined, with_token


def short_rows(split: Split, pad_id: int | None) -> Split:
    """Short rows of two lengths, and rows that contain the padding token or end with it.

    Rows with the padding token are also made by replacing tokens, because a shortcut must not
    depend on which texts are in the data.

    Args:
        split: The data.
        pad_id: The padding token of the model; None if it has none.
    """
    shortest, *rest = _by_length(split)
    longer = [row for row in rest if split.lengths[row] > split.lengths[shortest]]
    rows = [shortest, *longer[:1]]
    if pad_id is None:
        # Such models take one row at a time.
        return split.subset(rows[:1])
    containing = rows_containing(split, pad_id)
    rows += [row for row in (shortest, *rest) if containing[row]][:2]
    last = int(split.lengths[rows[-1]]) - 1
    made = [with_token(split, rows[-1], place, pad_id) for place in {last, last // 2}]
    return joined([split.subset(rows), *made])


def rows_containing(split: Split, token: int) -> npt.NDArray[np.bool_]:
    """Which rows contain a token; shape (rows,)."""
    row_of_sequence = np.repeat(np.arange(len(split)), split.n_choices)
    row_of_token = np.repeat(row_of_sequence, split.sequence_lengths)
    found = np.zeros(len(split), dtype=bool)
    found[row_of_token[split.ids[: len(row_of_token)] == token]] = True
    return found


def longest_row(split: Split) -> Split:
    """The longest row."""
    return split.subset([int(np.argmax(split.lengths))])


def _by_length(split: Split) -> list[int]:
    """Rows by length; rows with one token come last, since all its positions coincide."""
    lengths: npt.NDArray[np.int64] = split.lengths
    order = np.argsort(np.where(lengths > 1, lengths, lengths.max() + 1), kind="stable")
    return [int(row) for row in order]
