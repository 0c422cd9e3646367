"""Tokenises texts into packed token ids, cached on disk."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from progsearch.cache import cache_dir, sweep
from progsearch.tasks.sources.hub_data import quiet_datasets
from progsearch.tasks.tokenizer_identity import tokenizer_identity
from progsearch.version import TOKENS_VERSION

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tokens:
    """Tokenised examples, packed one after another without padding.

    Attributes:
        ids: Token ids of all examples, shape (sum of lengths,).
        lengths: Number of tokens of each example, shape (examples,).
        token_types: Token type of each token, same shape as ``ids``, if the model reads it.
    """

    ids: np.ndarray
    lengths: np.ndarray
    token_types: np.ndarray | None = None


def tokenise(texts: Sequence[list[str]], tokenizer: Any, max_length: int) -> Tokens:
    """Tokenise texts, or read their tokens from the cache.

    Args:
        texts: One list of texts, or two; the tokenizer joins pairs into one sequence.
        tokenizer: A tokenizer with a padding token.
        max_length: Examples are truncated to this number of tokens; in a pair, the longer text
            is truncated first.
    """
    if tokenizer.pad_token_id is None:
        raise ValueError("the tokenizer needs a padding token")
    max_length = min(max_length, tokenizer.model_max_length)
    key = key_of_tokens(texts, tokenizer, max_length)
    columns = {f"text{i}": column for i, column in enumerate(texts)}
    encode = functools.partial(_encode, tokenizer=tokenizer, max_length=max_length)
    return tokens_of(cached_table(columns, encode, key))


def key_of_tokens(columns: Sequence[list[Any]], tokenizer: Any, *settings: Any) -> str:
    """A key of what a tokenizer gives for these columns with these settings."""
    parts = " ".join(map(str, (TOKENS_VERSION, tokenizer_identity(tokenizer), *settings)))
    digest = hashlib.sha256(parts.encode())
    for column in columns:
        digest.update(json.dumps(column).encode())
    return digest.hexdigest()[:32]


def tokens_of(table: pa.Table) -> Tokens:
    """The tokens in the columns that tokenizers give."""
    types = "token_type_ids"
    return Tokens(
        flat(table["input_ids"]),
        np.diff(_offsets(table["input_ids"])).astype(np.int64),
        flat(table[types]) if types in table.column_names else None,
    )


def cached_table(
    columns: Mapping[str, list[Any]], encode: Callable[[Any], dict[str, Any]], key: str
) -> pa.Table:
    """The result of ``encode`` for all rows, or what the cache has under ``key``.

    Args:
        columns: The columns by name; none of them is in the result.
        encode: Given a part of the rows as such a dictionary, the columns made from them.
        key: A key of all that determines the result.
    """
    folder = cache_dir("tokenised")
    file = folder / f"{key}.arrow"
    with suppress(OSError, pa.ArrowException):
        # The same as with `datasets`, but importing that takes longer than all the rest here.
        return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()
    import datasets

    encoded = functools.partial(
        datasets.Dataset.from_dict(dict(columns)).map,
        encode,
        batched=True,
        remove_columns=list(columns),
        new_fingerprint=key,
    )
    sweep(folder, ["tmp*"])
    with quiet_datasets():
        try:
            # `datasets` writes a temporary file and renames it. So workers may write it at the
            # same time, and a worker that is stopped leaves no partial file.
            mapped = encoded(cache_file_name=str(file), load_from_cache_file=False)
        except (OSError, ValueError) as error:
            # On a full disk, `datasets` raises a ValueError while it cleans up.
            _log.warning("tokenised data was not kept: %s", error)
            mapped = encoded(keep_in_memory=True)
    return mapped.data.table


def _encode(batch: Any, tokenizer: Any, max_length: int) -> dict[str, list[list[int]]]:
    encoded = tokenizer(
        *(batch[name] for name in batch),
        truncation=True,
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
    )
    return dict(encoded)


def flat(column: Any) -> np.ndarray:
    """The values of a column of lists, concatenated."""
    return np.asarray(column.combine_chunks().flatten().to_numpy(zero_copy_only=False))


def _offsets(column: Any) -> np.ndarray:
    return np.asarray(column.combine_chunks().offsets.to_numpy())
