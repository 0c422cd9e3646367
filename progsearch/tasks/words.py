"""Tokenises sentences that are cut into words, so that each token belongs to a word.

A tokenizer with byte-level BPE has other tokens for a word after a blank than for one at the
beginning of a text. Given words one by one, it would take each for the beginning of a text, and
the model would be given tokens that it has hardly seen. So such tokenizers are told to add a blank
(``add_prefix_space``); if that changes more than the beginning of a word, each word is given with
one.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from progsearch.errors import TaskError
from progsearch.tasks.tokenising import Tokens

_log = logging.getLogger(__name__)

NO_WORD = -1
"""The word of a token that stands for none, such as [CLS]."""

# Words whose tokens depend on the blank before them, with a sign inside at which words are cut.
_PROBE = ("It", "isn't", "Ada's", "house", "in", "New", "York", "or", "caf\u00e9", "7.")
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class WordTokens:
    """Tokenised sentences.

    Attributes:
        tokens: The tokens.
        words: The index in its sentence of the word that each token is from, shape (tokens,);
            `NO_WORD` for special tokens.
    """

    tokens: Tokens
    words: np.ndarray

    def first_pieces(self) -> np.ndarray:
        """Which tokens are the first of their word, shape (tokens,)."""
        rows = np.repeat(np.arange(len(self.tokens.lengths)), self.tokens.lengths)
        changes = (np.diff(self.words, prepend=NO_WORD) != 0) | (np.diff(rows, prepend=-1) != 0)
        return np.asarray(changes & (self.words != NO_WORD))


@dataclass(frozen=True)
class _Way:
    """How a tokenizer is given words: itself or a changed copy, and whether with blanks."""

    tokenizer: Any
    with_blanks: bool = False


# The copy, if one is used, and whether words are given with blanks.
_ways: WeakKeyDictionary[Any, tuple[Any | None, bool]] = WeakKeyDictionary()


def tokenizer_for_words(tokenizer: Any) -> Any:
    """The tokenizer, or a copy that adds a blank before each word.

    Raises:
        TaskError: It does not say which word a token is from.
    """
    return _way(tokenizer).tokenizer


def tokenise_words(
    sentences: Sequence[Sequence[str]], tokenizer: Any, max_length: int | None
) -> WordTokens:
    """Tokenise sentences of words as their text would be tokenised.

    Args:
        sentences: The words of each.
        tokenizer: A fast tokenizer.
        max_length: Sentences are cut at the end to this number of tokens; None: they are not.

    Raises:
        TaskError: The tokenizer does not say which word a token is from.
    """
    way = _way(tokenizer)
    ids: list[int] = []
    words: list[int] = []
    types: list[int] = []
    lengths: list[int] = []
    for start in range(0, len(sentences), _ROWS_AT_ONCE):
        given = [_given(words, way) for words in sentences[start : start + _ROWS_AT_ONCE]]
        encoded = way.tokenizer(
            given,
            is_split_into_words=True,
            truncation=max_length is not None,
            max_length=max_length and min(max_length, tokenizer.model_max_length),
            padding=False,
            return_attention_mask=False,
            verbose=False,
        )
        for row, found in enumerate(encoded["input_ids"]):
            ids += found
            lengths.append(len(found))
            words += [NO_WORD if word is None else word for word in encoded.word_ids(row)]
        for of_row in encoded.get("token_type_ids", ()):
            types += of_row
    tokens = Tokens(
        np.array(ids, dtype=np.int64),
        np.array(lengths, dtype=np.int64),
        np.array(types, dtype=np.int64) if types else None,
    )
    return WordTokens(tokens, np.array(words, dtype=np.int64))


def _given(words: Sequence[str], way: _Way) -> list[str]:
    if not way.with_blanks:
        return list(words)
    return [f" {word}" if place else word for place, word in enumerate(words)]


def _way(tokenizer: Any) -> _Way:
    if tokenizer not in _ways:
        found = _found_way(tokenizer)
        copied = None if found.tokenizer is tokenizer else found.tokenizer
        _ways[tokenizer] = (copied, found.with_blanks)
    copied, with_blanks = _ways[tokenizer]
    return _Way(tokenizer if copied is None else copied, with_blanks)


def _found_way(tokenizer: Any) -> _Way:
    if not tokenizer.is_fast:
        raise TaskError(
            f"the tokenizer of {tokenizer.name_or_path} is a {type(tokenizer).__name__}, which "
            "does not say which word a token is from: choose a model with a fast tokenizer (a "
            "tokenizer.json)"
        )
    ways = [_Way(tokenizer), _Way(tokenizer, with_blanks=True)]
    adding = _with_prefix_space(tokenizer)
    if adding is not None:
        ways.insert(1, _Way(adding))
    for way in ways:
        if _ids_of_words(way) == _ids_of_text(way):
            return way
    _log.warning(
        "the tokenizer of %s gives words other tokens than the text that they are in, so results "
        "may be worse",
        tokenizer.name_or_path,
    )
    return ways[0]


def _ids_of_words(way: _Way) -> list[int]:
    given = _given(_PROBE, way)
    found: list[int] = way.tokenizer(given, is_split_into_words=True, verbose=False)["input_ids"]
    return found


def _ids_of_text(way: _Way) -> list[int]:
    found: list[int] = way.tokenizer(" ".join(_PROBE), verbose=False)["input_ids"]
    return found


def _with_prefix_space(tokenizer: Any) -> Any | None:
    """A copy that adds a blank; None if that is not the only thing which cuts a text into words.

    Beside other rules, such as Qwen's and Llama 3's, the setting adds a blank to each part of a
    word, too: ``isn't`` becomes ``isn``, a blank and ``'t``.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    if not isinstance(tokenizer.backend_tokenizer.pre_tokenizer, ByteLevel):
        return None
    adding = copy.deepcopy(tokenizer)
    before = adding.backend_tokenizer.pre_tokenizer
    before.add_prefix_space = True
    adding.backend_tokenizer.pre_tokenizer = before
    adding.add_prefix_space = True
    # Only `init_kwargs` are saved.
    adding.init_kwargs |= {"add_prefix_space": True}
    return adding
