"""Whether tokenised data fits the model that is to read it, and its tokenizer."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from progsearch.errors import TaskError
from progsearch.models.room import Room
from progsearch.tasks.split import Split

_log = logging.getLogger(__name__)

# Shares of unknown tokens: from where on it is said, and from where on nothing can be learned.
_NOTED_UNKNOWN = 0.05
_MOST_UNKNOWN = 0.5


def fitting_length(splits: Mapping[str, Split], room: Room) -> int | None:
    """How many tokens examples must be cut to, so that the model has a position for each.

    Returns:
        None if they fit; otherwise the log says what is cut.
    """
    longest = _longest(splits)
    if room.positions is not None and longest > room.positions:
        _log.warning(
            "the longest example has %d tokens and the model %d positions: examples are cut to "
            "%d tokens",
            longest,
            room.positions,
            room.positions,
        )
        return room.positions
    if room.usual_positions is not None and longest > room.usual_positions:
        _log.warning(
            "the longest example has %d tokens; the model takes them, but was made for %d "
            "(max_position_embeddings)",
            longest,
            room.usual_positions,
        )
    return None


def fitted(task: str, splits: Mapping[str, Split], tokenizer: Any, room: Room) -> dict[str, Split]:
    """The splits as the model can read them: without token types if it has too few.

    Args:
        task: The task's name.
        splits: All data of the task, cut to `fitting_length`.
        tokenizer: What tokenised it.
        room: The model's.

    Raises:
        TaskError: A token has no embedding, or a row is too long.
    """
    _check_tokens(task, splits, tokenizer, room)
    longest = _longest(splits)
    if room.positions is not None and longest > room.positions:
        raise TaskError(
            f"task {task} has a row of {longest} tokens and the model {room.positions} positions: "
            f"give --max-length {room.positions}, or another model"
        )
    given = max(split.n_token_types for split in splits.values())
    if room.token_types is None or given <= room.token_types:
        return dict(splits)
    # A model that has no such argument is given none by any tokenizer of its own.
    if room.token_types:
        _log.warning(
            "the tokenizer gives %d token types and the model has %d: they are left out",
            given,
            room.token_types,
        )
    return {name: split.without_token_types() for name, split in splits.items()}


def fitted_tokenizer(tokenizer: Any, splits: Iterable[Split]) -> Any:
    """The tokenizer that gives the model what it was trained with, to be saved with it.

    A copy that pads on the right, as training does: a model with a position for each place would
    compute something else on the left. Without token types if they were left out of all splits.
    """
    names = tokenizer.model_input_names
    if not any(split.n_token_types for split in splits):
        names = [name for name in names if name != "token_type_ids"]
    if (names, "right") == (tokenizer.model_input_names, tokenizer.padding_side):
        return tokenizer
    fitting = copy.deepcopy(tokenizer)
    fitting.model_input_names, fitting.padding_side = names, "right"
    # Only these are saved.
    fitting.init_kwargs |= {"model_input_names": names, "padding_side": "right"}
    return fitting


def unknown_share(splits: Iterable[Split], tokenizer: Any) -> float | None:
    """The share of unknown tokens among those that are not special; None if it is not known."""
    unknown, ids = tokenizer.unk_token_id, tokenizer
    # If it also begins, ends or pads texts, it is not always an unknown word.
    others = (ids.bos_token_id, ids.eos_token_id, ids.cls_token_id, ids.sep_token_id)
    if unknown is None or unknown in (*others, ids.pad_token_id):
        return None
    special = np.array(sorted({*ids.all_special_ids} - {unknown}), dtype=np.int64)
    words = np.concatenate([split.ids[~np.isin(split.ids, special)] for split in splits])
    return float(np.mean(words == unknown)) if len(words) else 0.0


def check_known(task: str, splits: Mapping[str, Split], tokenizer: Any) -> None:
    """Say how many tokens are unknown to a tokenizer, if they are more than a few.

    Raises:
        TaskError: Most are.
    """
    share = unknown_share(splits.values(), tokenizer) or 0.0
    if share > _MOST_UNKNOWN:
        raise TaskError(
            f"{share:.0%} of the tokens of task {task} are unknown to the tokenizer "
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


def _longest(splits: Mapping[str, Split]) -> int:
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
