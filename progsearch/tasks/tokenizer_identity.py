"""Identifies a tokenizer by a hash of its files and of its output for probe texts.

A list of known settings would miss new ones. The files contain everything that is saved; the
probe covers settings that exist only on the object, such as whether a start token is added.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from progsearch.cache import content_key

# The origin of the tokenizer and the version that wrote it.
_ORIGIN = {
    "_commit_hash",
    "_name_or_path",
    "is_local",
    "local_files_only",
    "name_or_path",
    "special_tokens_map_file",
    "tokenizer_file",
    "transformers_version",
}
# Set anew by every call.
_LAST_CALL = {"truncation", "padding"}
_VOLATILE = {"tokenizer_config.json": _ORIGIN, "tokenizer.json": _LAST_CALL}

_PROBE = (
    "a plain sentence of words",
    "MiXeD CaSe USA",
    "na\u00efve caf\u00e9 \u00c5ngstr\u00f6m, nai\u0308ve cafe\u0301",
    "\u65e5\u672c\u8a9e\u306e\u6587 \u4e2d\u6587\u6c49\u5b57 \ud55c\uad6d\uc5b4",
    "\uff26\uff55\uff4c\uff4c width \ufb01ne \u00bd \u2460",
    "control\x00 \x07 \u200b zero\u200dwidth \ufeff \ufffd",
    " leading,  double  and\ttabs\nlines\r\ntrailing \u00a0 ",
    "don't we'll stop. Wait...really?! 3.14 1,000,000 2024-01-01",
    "\u2603 \U0001f600 \u2e3b \U00013000 qzxqjvk",
    "https://example.org/a_b?c=d&e#f <b>x</b> ##ing \u2581x @@ </s> [SEP]",
    "",
)
_LONG = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth last"
# `_LONG` is truncated to this many tokens.
_FEW_TOKENS = 4

_files: WeakKeyDictionary[Any, tuple[int, str]] = WeakKeyDictionary()


def tokenizer_identity(tokenizer: Any) -> str:
    """A hash that is equal for equal tokenizers, independent of their location.

    Args:
        tokenizer: A transformers tokenizer; the hash does not depend on its last call.
    """
    return content_key(
        f"{type(tokenizer).__module__}.{type(tokenizer).__qualname__}",
        _files_of(tokenizer),
        _attributes(tokenizer),
        _probed(tokenizer),
    )


def _files_of(tokenizer: Any) -> str:
    # Writing a large vocabulary is slow, so the hash is kept. Added tokens change the length;
    # the probe detects other changes in memory.
    known = _files.get(tokenizer)
    if known is None or known[0] != len(tokenizer):
        known = _files[tokenizer] = (len(tokenizer), _hash_of_files(tokenizer))
    return known[1]


def _hash_of_files(tokenizer: Any) -> str:
    try:
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save_pretrained(folder)
            files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
            parts = [(path.relative_to(folder).as_posix(), _content(path)) for path in files]
    except (OSError, NotImplementedError):
        # The disk is full, or the class cannot save its vocabulary.
        backend = getattr(tokenizer, "backend_tokenizer", None)
        state = "" if backend is None else _without(_LAST_CALL, backend.to_str())
        return content_key(tokenizer.get_vocab(), state, repr(tokenizer.init_kwargs))
    return content_key(parts)


def _content(path: Path) -> str:
    data = path.read_bytes()
    volatile = _VOLATILE.get(path.name)
    return hashlib.sha256(data).hexdigest() if volatile is None else _without(volatile, data)


def _without(keys: set[str], data: str | bytes) -> str:
    state = json.loads(data)
    return content_key({key: state[key] for key in state.keys() - keys})


def _attributes(tokenizer: Any) -> list[Any]:
    """Attributes that may not be saved and that the probe texts do not cover."""
    return [
        len(tokenizer),
        tokenizer.model_max_length,
        tokenizer.model_input_names,
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        tokenizer.padding_side,
        tokenizer.truncation_side,
    ]


def _probed(tokenizer: Any) -> list[dict[str, Any]]:
    texts = [*_PROBE, _LONG, " ".join(map(str, tokenizer.all_special_tokens))]
    calls: list[tuple[tuple[str, ...], dict[str, Any]]] = [((text,), {}) for text in texts]
    calls += [((_PROBE[0], text), {}) for text in (_PROBE[1], _LONG)]
    around = tokenizer.num_special_tokens_to_add(pair=True)
    short = {"truncation": True, "max_length": _FEW_TOKENS + around}
    calls += [((_LONG,), short), ((_LONG, _PROBE[0]), short)]
    calls += [((_LONG,), {"add_special_tokens": False})]
    if tokenizer.pad_token is not None:
        calls += [((_LONG,), {"padding": "max_length", "max_length": 64})]
    with _silent():
        return [dict(tokenizer(*given, **settings)) for given, settings in calls]


@contextmanager
def _silent() -> Iterator[None]:
    """While active, transformers gives no advice on truncation."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
