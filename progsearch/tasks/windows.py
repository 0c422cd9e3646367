"""Tokenises questions with their texts; a long text becomes several windows that overlap."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from progsearch.errors import TaskError
from progsearch.numerals import counted
from progsearch.tasks.passages import NOWHERE
from progsearch.tasks.tokenising import Tokens, cached_table, flat, key_of_tokens, tokens_of

USUAL_STRIDE = 128
# The usual stride is at most the length over this, so that short windows advance, too.
_SHARE_OF_LENGTH = 3
# Above this share of questions that leave no room, the length or the stride is at fault.
_MOST_CUT = 0.05


@dataclass(frozen=True)
class Windows:
    """Tokenised windows, packed one after another without padding.

    Attributes:
        tokens: The tokens of all windows.
        example_of: The question of each window, shape (windows,).
        offsets: The characters of the context that each token stands for; see `Passages`.
        nulls: The place in each window of the token that stands for "no answer", shape (windows,).
        n_cut: The number of questions that were cut, so that windows advance.
    """

    tokens: Tokens
    example_of: np.ndarray
    offsets: np.ndarray
    nulls: np.ndarray
    n_cut: int


def windows(
    questions: Sequence[str],
    contexts: Sequence[str],
    tokenizer: Any,
    max_length: int,
    stride: int | None = None,
) -> Windows:
    """Tokenise questions with their contexts, or read their tokens from the cache.

    The context alone is cut into windows. A question that leaves its context less room than
    windows share is cut to half of what is there, so that windows advance.

    Args:
        questions: The questions.
        contexts: The text of each question.
        tokenizer: A fast tokenizer with a padding token.
        max_length: The most tokens of a window.
        stride: The number of tokens that neighbouring windows share.

    Raises:
        TaskError: The tokenizer does not say where its tokens are, or windows cannot advance.
    """
    if not tokenizer.is_fast:
        raise TaskError(
            f"the tokenizer of {tokenizer.name_or_path} is not a fast one, so it does not say "
            "which characters its tokens stand for, and answers cannot be found among them: give "
            "a model with a tokenizer.json"
        )
    max_length = min(max_length, tokenizer.model_max_length)
    stride = min(USUAL_STRIDE, max_length // _SHARE_OF_LENGTH) if stride is None else stride
    # Blanks before a question are tokens for some tokenizers.
    stripped = [question.lstrip() for question in questions]
    questions, contexts = _with_room(stripped, tokenizer, max_length, stride), list(contexts)
    columns: dict[str, list[Any]] = {
        "question": questions,
        "context": contexts,
        "example": list(range(len(questions))),
    }
    key = key_of_tokens([questions, contexts], tokenizer, "windows", max_length, stride)
    encode = functools.partial(_encode, tokenizer=tokenizer, max_length=max_length, stride=stride)
    table = cached_table(columns, encode, key)
    return Windows(
        tokens_of(table),
        np.asarray(table["example_of"].to_numpy(), dtype=np.int64),
        flat(table["offsets"]).astype(np.int32).reshape(-1, 2),
        np.asarray(table["null"].to_numpy(), dtype=np.int64),
        n_cut=sum(len(a) != len(b) for a, b in zip(questions, stripped, strict=True)),
    )


def _with_room(questions: list[str], tokenizer: Any, max_length: int, stride: int) -> list[str]:
    """The questions, the longest of them cut so that windows advance.

    Raises:
        TaskError: More than a few would have to be cut, or even that leaves no room.
    """
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True) - stride
    most = room // 2
    encoded = tokenizer(
        questions, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    offsets = encoded["offset_mapping"]
    # One token less, since some tokenizers begin a text of a pair otherwise than a single one.
    long = [row for row, tokens in enumerate(offsets) if len(tokens) >= max(1, room - 1)]
    if long and (most < 1 or len(long) > max(1, _MOST_CUT * len(questions))):
        raise TaskError(
            f"windows of {max_length} tokens that share {stride} leave "
            f"{counted(len(long), 'question')} of {len(questions)} no room to advance, so tokens "
            "would be skipped: give a smaller --doc-stride or a larger --max-length"
        )
    cut = list(questions)
    for row in long:
        cut[row] = questions[row][: offsets[row][most - 1][1]]
    return cut


def _encode(batch: Any, tokenizer: Any, max_length: int, stride: int) -> dict[str, list[Any]]:
    encoded = tokenizer(
        batch["question"],
        batch["context"],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_attention_mask=False,
        padding=False,
    )
    examples = [batch["example"][sample] for sample in encoded.pop("overflow_to_sample_mapping")]
    mapping = encoded.pop("offset_mapping")
    offsets = [
        [
            place
            for sequence, offset in zip(encoded.sequence_ids(window), found, strict=True)
            for place in (offset if sequence == 1 else (NOWHERE, NOWHERE))
        ]
        for window, found in enumerate(mapping)
    ]
    nulls = [_null_place(ids, tokenizer) for ids in encoded["input_ids"]]
    return {**encoded, "offsets": offsets, "example_of": examples, "null": nulls}


def _null_place(ids: list[int], tokenizer: Any) -> int:
    """The place of the token that stands for "no answer": CLS, or what begins the text."""
    for token in (tokenizer.cls_token_id, tokenizer.bos_token_id):
        if token is not None and token in ids:
            return ids.index(token)
    return 0
