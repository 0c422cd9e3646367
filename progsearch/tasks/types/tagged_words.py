"""The words of a split with their true and predicted tags, also those without a token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from progsearch.tasks.split import IGNORED, Split


@dataclass(frozen=True)
class TaggedWords:
    """All words of a split, also those that no model sees.

    Attributes:
        true: The tag of each, sentence after sentence.
        predicted: The predicted tag of each.
        lengths: The number of words of each sentence.
    """

    true: np.ndarray
    predicted: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, split: Split, predicted: np.ndarray | None, nothing: int) -> TaggedWords:
        """The words of a split.

        Args:
            split: The tokenised sentences.
            predicted: The predicted tag of each token; None for the true ones.
            nothing: The predicted tag of words without a token.
        """
        labels = split.targets["labels"].numpy()
        seen = labels != IGNORED
        true = labels[seen]
        lengths = split.units
        found = true if predicted is None else predicted[seen]
        unseen = split.unseen
        if unseen is None or not len(unseen):
            return cls(true, found, lengths)
        lengths = lengths + np.bincount(unseen.rows, minlength=len(lengths))
        places = (np.cumsum(lengths) - lengths)[unseen.rows] + unseen.places
        is_unseen = np.zeros(int(lengths.sum()), dtype=bool)
        is_unseen[places] = True
        whole, whole_found = (np.empty(len(is_unseen), dtype=np.int64) for _ in range(2))
        whole[~is_unseen], whole[places] = true, unseen.targets
        whole_found[~is_unseen], whole_found[places] = found, nothing
        return cls(whole, whole_found, lengths)
