"""Words that a model does not see, and that metrics count all the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class UnseenWords:
    """The words of a split that no token stands for: cut off, or without any token.

    Attributes:
        rows: The row of each, ascending, shape (words,).
        places: Its index among the words of its row, ascending within a row.
        targets: What the model would have to predict for it.
    """

    rows: np.ndarray
    places: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, rows: np.ndarray) -> UnseenWords:
        """Those of some rows, which are numbered anew."""
        starts, ends = (np.searchsorted(self.rows, rows, side) for side in ("left", "right"))
        counts = ends - starts
        chosen = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        new = np.repeat(np.arange(len(rows)), counts)
        return UnseenWords(new, self.places[chosen], self.targets[chosen])

    @property
    def fingerprint(self) -> str:
        """A hash of all of them."""
        parts = np.stack([self.rows, self.places, self.targets]).astype(np.int64)
        return hashlib.sha256(parts.tobytes()).hexdigest()
