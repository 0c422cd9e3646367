"""Tokenises what a language model learns to continue; which tokens are targets is kept with them.

Padding never is a target: targets are told by their place in a row, not by a token's number, so
that the end token is learned even if it is the padding token, too.
"""

from __future__ import annotations

import copy
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from progsearch.cache import cache_dir, content_key, sweep
from progsearch.errors import TaskError
from progsearch.tasks.split import IGNORED, Split
from progsearch.tasks.tokenizer_identity import tokenizer_identity
from progsearch.version import TOKENS_VERSION

_log = logging.getLogger(__name__)

# Names of padding tokens that vocabularies hold without naming them.
_PADDING = ("<pad>", "[PAD]", "<|pad|>", "<|finetune_right_pad_id|>", "<|endoftext|>")


class Piece(NamedTuple):
    """A part of an example's text.

    Attributes:
        text: The text.
        learned: Whether its tokens are targets.
    """

    text: str
    learned: bool


@dataclass(frozen=True)
class _Row:
    """One row: its tokens, which of them are targets, and its example."""

    ids: list[int]
    learned: list[bool]
    example: int


def split_of_pieces(
    examples: Sequence[Sequence[Piece]], tokenizer: Any, max_length: int, *, whole: bool
) -> Split:
    """One row per example, cut to ``max_length`` tokens; the end token is its last target.

    A prompt is tokenised on its own, as it is when the model is asked to continue it.

    Args:
        examples: Their pieces, the last one learned.
        tokenizer: With an end-of-sequence token.
        max_length: The most tokens of a row.
        whole: Whether the pieces hold all special tokens, as those of a chat template do. If not,
            the tokenizer's first token is put before them.
    """
    end = end_of(tokenizer)
    begin = [] if whole else begin_of(tokenizer)

    def rows() -> Iterable[_Row]:
        for number, pieces in enumerate(_tokens(examples, tokenizer)):
            ids, learned = list(begin), [False] * len(begin)
            for piece, found in zip(examples[number], pieces, strict=True):
                targets = [piece.learned] * len(found)
                if piece.learned and end in found:
                    # A template may write a line break after the end, which nobody waits for.
                    last = len(found) - found[::-1].index(end)
                    targets[last:] = [False] * (len(found) - last)
                ids += found
                learned += targets
            if end not in pieces[-1]:
                ids.append(end)
                learned.append(True)
            yield _Row(ids[:max_length], learned[:max_length], number)

    texts = [list(map(list, pieces)) for pieces in examples]
    return _split(rows, tokenizer, "pieces", whole, max_length, texts)


def split_of_documents(documents: Sequence[str], tokenizer: Any, max_length: int) -> Split:
    """Documents cut into rows of ``max_length`` tokens; no row has tokens of two of them.

    Each token of a document is a target once, its end token too, but for its first one if the
    tokenizer puts none before it. Without such a token, a row begins with the last token of the
    row before, which is not a target again.
    """
    end, begin = end_of(tokenizer), begin_of(tokenizer)

    def rows() -> Iterable[_Row]:
        for number, (found,) in enumerate(
            _tokens([[Piece(text, True)] for text in documents], tokenizer)
        ):
            ids = [*found, end]
            shared = 0 if begin else 1
            step = max(1, max_length - len(begin) - shared)
            for start in range(0, max(1, len(ids) - shared), step):
                part = ids[start : start + step + shared]
                unlearned = len(begin) + shared
                learned = [False] * unlearned + [True] * (len(part) - shared)
                yield _Row([*begin, *part], learned, number)

    return _split(rows, tokenizer, "documents", False, max_length, list(documents))


def prompt_of(pieces: Sequence[Piece], tokenizer: Any) -> list[int]:
    """The tokens of an example before its last piece."""
    (found,) = _tokens([pieces[:-1]], tokenizer)
    return [token for piece in found for token in piece]


def full_lengths(examples: Sequence[Sequence[Piece]], tokenizer: Any, *, whole: bool) -> list[int]:
    """The number of tokens of each example if nothing is cut."""
    more = 1 if whole else len(begin_of(tokenizer)) + 1
    return [more + sum(map(len, pieces)) for pieces in _tokens(examples, tokenizer)]


def end_of(tokenizer: Any) -> int:
    """The token that a model ends a text with.

    Raises:
        TaskError: The tokenizer has none.
    """
    if tokenizer.eos_token_id is None:
        raise TaskError(
            f"the tokenizer of {tokenizer.name_or_path} has no end-of-sequence token, so the "
            "model would not learn to stop; set eos_token in its tokenizer_config.json"
        )
    return int(tokenizer.eos_token_id)


def begin_of(tokenizer: Any) -> list[int]:
    """The tokens that the tokenizer puts before a text."""
    plain = _encode(["a"], tokenizer)[0]
    found: list[int] = tokenizer("a", verbose=False)["input_ids"]
    places = [i for i in range(len(found)) if found[i : i + len(plain)] == plain]
    return found[: places[0]] if places else []


def with_own_padding(tokenizer: Any) -> Any:
    """The tokenizer with a padding token apart from its end token, if its vocabulary has one."""
    if tokenizer.pad_token_id != tokenizer.eos_token_id:
        return tokenizer
    known = tokenizer.get_vocab()
    names = [*_PADDING, tokenizer.unk_token]
    own = next((n for n in names if n in known and known[n] != tokenizer.eos_token_id), None)
    if own is None:
        return tokenizer
    apart = copy.deepcopy(tokenizer)
    apart.pad_token = own
    return apart


def _tokens(examples: Sequence[Sequence[Piece]], tokenizer: Any) -> list[list[list[int]]]:
    """The tokens of each piece of each example.

    Pieces are tokenised with what is before them if that leaves the tokens before them as they
    are, and alone otherwise.
    """
    found: list[list[list[int]]] = [[] for _ in examples]
    before: list[list[int]] = [[] for _ in examples]
    for depth in range(max(map(len, examples), default=0)):
        rows = [row for row, pieces in enumerate(examples) if depth < len(pieces)]
        texts = ["".join(p.text for p in examples[row][: depth + 1]) for row in rows]
        for row, ids in zip(rows, _encode(texts, tokenizer), strict=True):
            known = before[row]
            if ids[: len(known)] == known:
                piece = ids[len(known) :]
            else:
                piece = _encode([examples[row][depth].text], tokenizer)[0]
            found[row].append(piece)
            before[row] = [*known, *piece]
    return found


def _encode(texts: list[str], tokenizer: Any) -> list[list[int]]:
    encoded = tokenizer(
        texts,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    found: list[list[int]] = encoded["input_ids"]
    return found


def _split(rows: Callable[[], Iterable[_Row]], tokenizer: Any, kind: str, *parts: Any) -> Split:
    """The rows as a split, made or read from the cache."""
    key = content_key(TOKENS_VERSION, kind, tokenizer_identity(tokenizer), *parts)
    file = cache_dir("tokenised") / f"{key}.npz"
    arrays = _read(file)
    if arrays is None:
        made = list(rows())
        lengths = np.array([len(row.ids) for row in made], dtype=np.int64)
        learned = np.array([flag for row in made for flag in row.learned], dtype=bool)
        # Nothing is before the first token of a row.
        learned[np.cumsum(lengths) - lengths] = False
        arrays = {
            "ids": np.array([token for row in made for token in row.ids], dtype=np.int32),
            "lengths": lengths,
            "learned": learned,
            "example_of": np.array([row.example for row in made], dtype=np.int64),
        }
        _keep(file, arrays)
    labels = np.where(arrays["learned"], arrays["ids"], IGNORED).astype(np.int64)
    return Split(
        arrays["ids"],
        arrays["lengths"],
        {"labels": labels},
        per_token=True,
        pad_id=tokenizer.pad_token_id,
        example_of=arrays["example_of"],
    )


def _read(file: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(file) as found:
            return {name: found[name] for name in ("ids", "lengths", "learned", "example_of")}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _keep(file: Path, arrays: dict[str, Any]) -> None:
    sweep(file.parent, ["tmp*"])
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix="tmp", delete=False) as stream:
            np.savez(stream, **arrays)
        os.replace(stream.name, file)
    except OSError as error:
        _log.warning("tokenised data was not kept: %s", error)
