"""Chooses the answer to each question from the scores of tokens as its start and its end.

As in the question answering examples of transformers (``utils_qa.py``): in each window the best
pair of one of the 20 likeliest starts and one of the 20 likeliest ends, of at most 30 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from progsearch.tasks.passages import NOWHERE
from progsearch.tasks.split import Split

N_BEST = 20
MOST_TOKENS = 30
NULL_THRESHOLD = 0.0
"""By how much "no answer" must score higher than the best answer to be given."""


def answers_to(kept: np.ndarray, split: Split, *, none_allowed: bool) -> dict[int, str]:
    """The answer to each question of a split, by its number in the split's passages.

    Args:
        kept: The scores of each token as start and as end, shape (tokens, 2).
        split: The windows, with their passages.
        none_allowed: Whether "no answer", the empty text, is an answer. Its score is the lowest of
            those of the windows' first tokens: one window that holds an answer is enough.
    """
    passages = split.passages
    assert passages is not None, "answers are cut from texts"
    contexts = passages.examples.texts[1]
    spans: dict[int, tuple[float, str]] = {}
    nulls: dict[int, float] = {}
    for row, window in enumerate(windows_of(split)):
        example, scores = int(split.example_of[row]), kept[window]
        null = float(scores[passages.nulls[row]].sum())
        nulls[example] = min(null, nulls.get(example, null))
        found = _best_span(scores, passages.offsets[window])
        if found is not None and (example not in spans or found[0] > spans[example][0]):
            score, first, end = found
            spans[example] = score, contexts[example][first:end]
    answers = {}
    for example, null in nulls.items():
        score, text = spans.get(example, (null, ""))
        is_none = none_allowed and null - score > NULL_THRESHOLD
        answers[example] = "" if is_none else text
    return answers


def windows_of(split: Split) -> Iterator[slice]:
    """Where the tokens of each row are among all tokens."""
    ends = np.cumsum(split.lengths)
    for end, length in zip(ends.tolist(), split.lengths.tolist(), strict=True):
        yield slice(end - length, end)


def _best_span(scores: np.ndarray, offsets: np.ndarray) -> tuple[float, int, int] | None:
    """The best answer in a window: its score, first character and the one after its last."""
    starts, ends = (np.argsort(-column, kind="stable")[:N_BEST] for column in scores.T)
    length = ends[None, :] - starts[:, None] + 1
    first, end = offsets[starts, 0][:, None], offsets[ends, 1][None, :]
    inside = (first != NOWHERE) & (end != NOWHERE)
    possible = inside & (length >= 1) & (length <= MOST_TOKENS) & (end > first)
    if not possible.any():
        return None
    sums = np.where(possible, scores[starts, 0][:, None] + scores[ends, 1][None, :], -np.inf)
    i, j = np.unravel_index(sums.argmax(), sums.shape)
    return float(sums[i, j]), int(first[i, 0]), int(end[0, j])
