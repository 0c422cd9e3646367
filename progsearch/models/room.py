"""The input limits of a model: token ids, positions and token types.

They are measured on the model, because ``max_position_embeddings`` in the config is not a limit
for rotary and relative positions, and is two too large for RoBERTa and similar models.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from progsearch.cache import cache_dir, content_key, keep_json, read_json
from progsearch.internals.torch import TorchDispatchMode
from progsearch.models.anatomy import evaluating
from progsearch.models.head import Head
from progsearch.models.loading import load_model, model_fingerprint
from progsearch.version import ROOM_VERSION, libraries

# Token ids that are in any vocabulary, not ascending and not special (as 0, 1 or 2 may be).
_TOKENS = (6, 3, 5, 4, 8, 7)
_LENGTH = 4
_TYPES = [1, 0, 0, 1]


@dataclass(frozen=True)
class Room:
    """The input limits of a model; None: no table limits it.

    Attributes:
        tokens: The number of rows of the token embedding table.
        positions: The maximum number of tokens per example. Rotary and relative positions have
            no table.
        usual_positions: The maximum according to the config, if no table limits it.
        token_types: The number of token types; 0 if the model has no such argument.
    """

    tokens: int | None
    positions: int | None
    usual_positions: int | None
    token_types: int | None


def room_of(ref: str, head: Head, pad_token_id: int | None) -> Room:
    """The input limits of the model ``ref``; measured once, then read from the cache.

    Args:
        ref: An alias, a folder in the Hugging Face format, or a hub name.
        head: The head that the task needs.
        pad_token_id: The tokenizer's padding token.

    Raises:
        ModelError: The model cannot be loaded or has no such head.
    """
    key = content_key(
        ROOM_VERSION, libraries(), model_fingerprint(ref), head.auto_class, pad_token_id
    )
    path = cache_dir("room") / f"{key}.json"
    known = read_json(path)
    if known is not None:
        return Room(**known)
    room = measure_room(load_model(ref, head, pad_token_id=pad_token_id))
    keep_json(path, asdict(room))
    return room


def measure_room(model: PreTrainedModel) -> Room:
    """The input limits of ``model``, measured by running it on a few tokens; it is not changed.

    If the model cannot be run on them, `find_anatomy` reports that later.
    """
    config = model.config.get_text_config()
    # A padding token has no position, whether the tokenizer or the model defines it.
    padding = {getattr(module, "padding_idx", None) for module in model.modules()}
    padding.add(getattr(config, "pad_token_id", None))
    tokens = [token for token in _TOKENS if token not in padding][:_LENGTH]
    seen = _lookups(model, input_ids=tokens)
    positions = _least(
        rows - first[0]
        for rows, first in seen
        if first == list(range(first[0], first[0] + _LENGTH))
    )
    usual = getattr(config, "max_position_embeddings", None)
    # It is -1 in XLNet.
    named = usual if isinstance(usual, int) and usual > 0 else None
    return Room(
        tokens=_least(rows for rows, first in seen if first == tokens),
        positions=positions,
        usual_positions=named if positions is None else None,
        token_types=_token_types(model, tokens),
    )


def _token_types(model: nn.Module, tokens: list[int]) -> int | None:
    if "token_type_ids" not in inspect.signature(model.forward).parameters:
        return 0
    seen = _lookups(model, input_ids=tokens, token_type_ids=_TYPES)
    return _least(rows for rows, first in seen if first == _TYPES)


def _least(sizes: Iterable[int]) -> int | None:
    return min(sizes, default=None)


def _lookups(model: nn.Module, **inputs: list[int]) -> list[tuple[int, list[int]]]:
    """The table look-ups of a forward pass: table rows, and the rows read by the first tokens."""
    device = next(model.parameters()).device
    lookups = _Lookups(model)
    try:
        with torch.no_grad(), evaluating(model), lookups:
            model(**{name: torch.tensor([row], device=device) for name, row in inputs.items()})
    except Exception:
        # Models raise all kinds of errors here. The look-ups before the error are recorded,
        # including one of a row that does not exist.
        pass
    return lookups.seen


class _Lookups(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records table look-ups before they run.

    It watches operations, not modules: some tables are not `nn.Embedding`, and some `nn.Embedding`
    subclasses add an offset to the positions.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[int, list[int]]] = []
        # Some models keep a table as a plain attribute, such as CTRL's positions.
        self._tables = {
            id(value)
            for module in model.modules()
            for value in (*module.buffers(recurse=False), *vars(module).values())
            if isinstance(value, Tensor)
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        indices = self._indices(func, args)
        # One row, or one column in XLNet; relative position tables are indexed by a square.
        if indices is not None and indices.numel() == max(indices.shape, default=0) >= _LENGTH:
            self.seen.append((len(args[0]), indices.flatten()[:_LENGTH].tolist()))
        return func(*args, **(kwargs or {}))

    def _indices(self, func: Any, args: Any) -> Tensor | None:
        if func is torch.ops.aten.embedding.default:
            indices: Tensor = args[1]
            return indices
        # Mixtures of experts index hidden states like this; only stored tensors are tables.
        if func is torch.ops.aten.index.Tensor and id(args[0]) in self._tables:
            (indices,) = args[1][:1]
            return indices if len(args[1]) == 1 and indices.dtype == torch.int64 else None
        return None
