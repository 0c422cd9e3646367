"""The texts behind the tokens of a split, for metrics that compare words and not numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from progsearch.tasks.examples import Examples

NOWHERE = -1
"""The offset of a token that stands for nothing in the text that answers are cut from."""


@dataclass(frozen=True, eq=False)
class Passages:
    """The texts that answers are cut from, and where in them the tokens of a split stand.

    They are no part of batches, so they are on no device.

    Attributes:
        examples: What the split was made from, by the numbers in `Split.example_of`.
        offsets: The first character of each token and the one after its last, shape (tokens, 2),
            int32; `NOWHERE` for tokens of other texts and special ones.
        nulls: The place in each row of the token that stands for "no answer", shape (rows,).
        n_cut: The number of questions that were cut to leave their texts room.
    """

    examples: Examples
    offsets: np.ndarray
    nulls: np.ndarray
    n_cut: int = 0

    def subset(self, rows: np.ndarray, tokens: np.ndarray) -> Passages:
        """The same texts for some rows of the split and their tokens."""
        return Passages(self.examples, self.offsets[tokens], self.nulls[rows], self.n_cut)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of texts, answers and offsets."""
        # Computed once: a data set has the text of a passage once for each of its questions.
        digest = hashlib.sha256(self.offsets.tobytes() + self.nulls.tobytes())
        for column in (*self.examples.texts, self.examples.answers):
            digest.update(json.dumps(list(column)).encode())
        return digest.hexdigest()
