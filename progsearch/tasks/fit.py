"""Checks whether tokenised data fits the model and its tokenizer."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from progsearch.errors import TaskError
from progsearch.models.room import Room
from progsearch.numerals import whole_percent
from progsearch.tasks.examples import Examples
from progsearch.tasks.split import Split

_log = logging.getLogger(__name__)

# Shares of unknown tokens: above the first a warning is logged, above the second data is refused.
_NOTED_UNKNOWN = 0.05
_MOST_UNKNOWN = 0.5
# Above this share of rows without any token, the tokenizer is at fault, not the rows.
_MOST_WITHOUT = 0.5
_SHOWN = 40


def fitting_length(splits: Mapping[str, Split], room: Room) -> int | None:
    """The length to which examples must be cut, so that each token has a position.

    Returns:
        None if all examples fit; otherwise a warning is logged.
    """
    longest = longest_of(splits)
    if room.positions is not None and longest > room.positions:
        _log.warning(
            "the longest example has %d tokens and the model has %d positions: examples are cut "
            "to %d tokens",
            longest,
            room.positions,
            room.positions,
        )
        return room.positions
    if room.usual_positions is not None and longest > room.usual_positions:
        _log.warning(
            "the longest example has %d tokens; the model accepts them, but was made for %d, as "
            "its config says",
            longest,
            room.usual_positions,
        )
    return None


def fitted(task: str, splits: Mapping[str, Split], tokenizer: Any, room: Room) -> dict[str, Split]:
    """Check the splits against the model's limits; drop token types if the model has too few.

    Args:
        task: The task's name.
        splits: All data of the task, cut to `fitting_length`.
        tokenizer: The tokenizer of the data.
        room: The limits of the model.

    Raises:
        TaskError: A token has no embedding, or a row is too long.
    """
    _check_tokens(task, splits, tokenizer, room)
    longest = longest_of(splits)
    if room.positions is not None and longest > room.positions:
        raise TaskError(
            f"task {task} has a row of {longest} tokens and the model {room.positions} positions: "
            f"set --max-length {room.positions} or choose another model"
        )
    given = max(split.n_token_types for split in splits.values())
    if room.token_types is None or given <= room.token_types:
        return dict(splits)
    # For a model without this argument no warning is needed: its own tokenizer gives none.
    if room.token_types:
        _log.warning(
            "the tokenizer gives %d token types and the model has %d: token types are left out",
            given,
            room.token_types,
        )
    return {name: split.without_token_types() for name, split in splits.items()}


def fitted_tokenizer(tokenizer: Any, splits: Iterable[Split]) -> Any:
    """The tokenizer to save with the model: it gives what the model was trained with.

    It pads on the right, as training does, since a model with position embeddings computes other
    outputs for padding on the left. It gives no token types if all splits are without them.
    """
    names = tokenizer.model_input_names
    if not any(split.n_token_types for split in splits):
        names = [name for name in names if name != "token_type_ids"]
    if (names, "right") == (tokenizer.model_input_names, tokenizer.padding_side):
        return tokenizer
    fitting = copy.deepcopy(tokenizer)
    fitting.model_input_names, fitting.padding_side = names, "right"
    # Only `init_kwargs` are saved.
    fitting.init_kwargs |= {"model_input_names": names, "padding_side": "right"}
    return fitting


def unknown_share(splits: Iterable[Split], tokenizer: Any) -> float | None:
    """The share of unknown tokens among those that are not special; None if it is not known."""
    unknown, ids = tokenizer.unk_token_id, tokenizer
    # If it also begins, ends or pads texts, it is not always an unknown word.
    others = (ids.bos_token_id, ids.eos_token_id, ids.cls_token_id, ids.sep_token_id)
    if unknown is None or unknown in (*others, ids.pad_token_id):
        return None
    words = np.concatenate([split.ids[_of_text(split, ids)] for split in splits])
    return float(np.mean(words == unknown)) if len(words) else 0.0


def check_tokens_given(
    task: str, splits: Mapping[str, Split], examples: Mapping[str, Examples], tokenizer: Any
) -> None:
    """Refuse rows for which the tokenizer gives no token.

    A model can't be run on such a row. Beside longer rows it would be padding alone, so that every
    such text would get the same output.

    Args:
        task: The task's name.
        splits: All data of the task.
        examples: What each split was made from.
        tokenizer: The tokenizer of the data.

    Raises:
        TaskError: There is such a row, or most rows hold special tokens only.
    """
    total = sum(map(len, splits.values()))
    without = sum(int((_tokens_of_text(s, tokenizer) == 0).sum()) for s in splits.values())
    what = f"the tokenizer of {tokenizer.name_or_path} gives no token for"
    if without > _MOST_WITHOUT * total:
        raise TaskError(
            f"{what} {without} of {total} rows of task {task}, so its files are probably not the "
            "model's or not of the data's language: give a model with a tokenizer that knows the "
            "texts"
        )
    for name, split in splits.items():
        shortest = split.sequence_lengths.reshape(-1, split.n_choices).min(axis=1)
        empty = np.flatnonzero(shortest == 0)
        if len(empty):
            example = int(split.example_of[empty[0]])
            texts = (str(column[example])[:_SHOWN] for column in examples[name].texts)
            raise TaskError(
                f"{what} {len(empty)} of {len(split)} {name} rows of task {task}, the first of "
                f"which has the text {' and '.join(map(repr, texts))}: remove these rows"
            )


def check_known(task: str, splits: Mapping[str, Split], tokenizer: Any) -> None:
    """Log a warning if more than a few tokens are unknown to the tokenizer.

    Raises:
        TaskError: Most tokens are unknown.
    """
    share = unknown_share(splits.values(), tokenizer) or 0.0
    if share > _MOST_UNKNOWN:
        raise TaskError(
            f"{whole_percent(share)} of the tokens of task {task} are unknown to the tokenizer "
            f"({tokenizer.unk_token}), so it is probably not the model's or not of the data's "
            "language: give a model with a tokenizer that knows the texts"
        )
    if share > _NOTED_UNKNOWN:
        _log.warning(
            "%.0f %% of the tokens of task %s are unknown to the tokenizer (%s)",
            100 * share,
            task,
            tokenizer.unk_token,
        )


def _of_text(split: Split, tokenizer: Any) -> np.ndarray:
    """Which tokens stand for text: the unknown token, and all that are not special."""
    special = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}
    return ~np.isin(split.ids, np.array(sorted(special), dtype=np.int64))


def _tokens_of_text(split: Split, tokenizer: Any) -> np.ndarray:
    """The number of such tokens of each row, shape (rows,)."""
    before = np.concatenate([[0], np.cumsum(_of_text(split, tokenizer))])
    ends = np.cumsum(split.sequence_lengths)
    of_sequences = before[ends] - before[ends - split.sequence_lengths]
    return np.asarray(of_sequences.reshape(-1, split.n_choices).sum(axis=1))


def longest_of(splits: Mapping[str, Split]) -> int:
    """The number of tokens of the longest example."""
    return max(int(split.lengths.max(initial=0)) for split in splits.values())


def _check_tokens(task: str, splits: Mapping[str, Split], tokenizer: Any, room: Room) -> None:
    if room.tokens is None:
        return
    what_to_do = (
        "give the tokenizer that the model was trained with, or save the model after "
        "resize_token_embeddings(len(tokenizer))"
    )
    largest = max(int(split.ids.max(initial=0)) for split in splits.values())
    if largest >= room.tokens:
        raise TaskError(
            f"the tokens of task {task} have ids up to {largest} "
            f"({tokenizer.convert_ids_to_tokens(largest)!r}) and the model has {room.tokens} "
            f"token embeddings: {what_to_do}"
        )
    if tokenizer.pad_token_id >= room.tokens:
        raise TaskError(
            f"the padding token {tokenizer.pad_token!r} has the id {tokenizer.pad_token_id} and "
            f"the model has {room.tokens} token embeddings: {what_to_do}"
        )
