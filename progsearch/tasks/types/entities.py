"""Entities in sequences of tags, and their scores, as ``seqeval`` computes them by default.

seqeval (https://github.com/chakki-works/seqeval) follows the script of the CoNLL tasks: an entity
is right if its kind, its first and its last word are right, and an entity may begin with any
letter, such as an I- after O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from progsearch.tasks.types.schemes import part

_Tags = npt.NDArray[np.int64]
_LETTERS = "OBIES"
_O, _B, _I, _E, _S = range(len(_LETTERS))
# Pairs of letters between which an entity ends, or begins, if the kind stays the same.
_BREAKS = np.zeros((5, 5), dtype=bool)
_BREAKS[[_E, _S], 1:] = _BREAKS[:, [_B, _S]] = True
_ENDS, _BEGINS = _BREAKS.copy(), _BREAKS.copy()
_ENDS[[_B, _I, _E, _S], _O] = True
_ENDS[_O] = False
_BEGINS[_O, 1:] = True
_BEGINS[:, _O] = False


@dataclass(frozen=True)
class Scores:
    """Precision, recall and F1 of entities.

    Attributes:
        precision: Share of predicted entities that are right; 0 if there are none.
        recall: Share of true entities that are predicted; 0 if there are none.
        f1: Their harmonic mean.
        support: Number of true entities.
    """

    precision: float
    recall: float
    f1: float
    support: int

    @classmethod
    def of(cls, right: int, predicted: int, true: int) -> Self:
        """The scores from the numbers of right, predicted and true entities."""
        precision = right / predicted if predicted else 0.0
        recall = right / true if true else 0.0
        both = precision + recall
        return cls(precision, recall, 2 * precision * recall / both if both else 0.0, true)


class EntityReader:
    """Reads entities from tags.

    Args:
        names: The names of the tags by index.
    """

    def __init__(self, names: Sequence[str]) -> None:
        parts = [part(name) or ("B", name) for name in names]
        self.kinds = tuple(sorted({kind for _, kind in parts if kind}))
        places = {kind: place for place, kind in enumerate(self.kinds)}
        # The last entry is read for the index -1, which means that no tag is known.
        self._letters = np.array([_LETTERS.index(letter) for letter, _ in parts] + [_O])
        self._kinds = np.array([places.get(kind, -1) for _, kind in parts] + [-1])

    def entities(self, tags: _Tags, lengths: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """The entities of some sentences.

        Args:
            tags: The tag of each word, sentence after sentence; -1 counts as O.
            lengths: The number of words of each sentence.

        Returns:
            Kind, first word and word after the last of each entity, shape (entities, 3).
        """
        # An O after each sentence, so that no entity goes on into the next one.
        separated = np.insert(tags, np.cumsum(lengths), -1)
        letters, kinds = self._letters[separated], self._kinds[separated]
        before, kinds_before = np.insert(letters, 0, _O), np.insert(kinds, 0, -1)
        after, kinds_after = np.append(letters, _O), np.append(kinds, -1)
        other = kinds_before != kinds_after
        ends = np.flatnonzero(_ENDS[before, after] | (other & (before != _O)))
        begins = np.flatnonzero(_BEGINS[before, after] | (other & (after != _O)))
        return np.stack([kinds[begins], begins, ends], axis=1).reshape(-1, 3)

    def scores(
        self, true: _Tags, predicted: _Tags, lengths: npt.NDArray[np.integer]
    ) -> tuple[Scores, dict[str, Scores]]:
        """The scores of all entities, and of those of each kind by its name.

        Args:
            true: The tags of the words, as in `entities`.
            predicted: The tags that a model predicts for them.
            lengths: The number of words of each sentence.
        """
        found = [self.entities(tags, lengths) for tags in (true, predicted)]
        size = len(true) + len(lengths) + 1
        codes = [(rows[:, 0] * size + rows[:, 1]) * size + rows[:, 2] for rows in found]
        right = found[0][np.isin(codes[0], codes[1])]
        counts = [
            np.bincount(rows[:, 0], minlength=len(self.kinds)).tolist()
            for rows in (right, found[1], found[0])
        ]
        by_kind = zip(self.kinds, zip(*counts, strict=True), strict=True)
        return Scores.of(len(right), len(found[1]), len(found[0])), {
            kind: Scores.of(*numbers) for kind, numbers in by_kind
        }
