"""The limits of a model: token ids, positions, token types and the layer of its outputs.

They are measured on the model, because ``max_position_embeddings`` in the config is not a limit
for rotary and relative positions, and is two too large for RoBERTa and similar models. Limits
without a table, such as that of MPT's biases, are found by running the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from progsearch.cache import cache_dir, content_key, keep_json, kept_json
from progsearch.internals.torch import TorchDispatchMode
from progsearch.models.anatomy import as_input, evaluating
from progsearch.models.head import Head
from progsearch.models.loading import load_model, model_fingerprint
from progsearch.models.output import OutputKind, output_kind
from progsearch.version import ROOM_VERSION, libraries

# Token ids that are in any vocabulary, not ascending and not special (as 0, 1 or 2 may be).
_TOKENS = (6, 3, 5, 4, 8, 7)
_LENGTH = 4
_TYPES = [1, 0, 0, 1]
# Fields of a config with the maximum number of tokens; MPT has the second.
_NAMES = ("max_position_embeddings", "max_seq_len")


@dataclass(frozen=True)
class Room:
    """The limits of a model; None: there is none.

    Attributes:
        tokens: The number of rows of the token embedding table.
        positions: The maximum number of tokens per example. Most models with rotary or relative
            positions have none.
        usual_positions: The maximum according to the config, if the model accepts more.
        token_types: The number of token types; 0 if the model has no such argument.
        output: Whether the outputs come from a linear layer with a bias (affine) or without one
            (linear).
    """

    tokens: int | None
    positions: int | None
    usual_positions: int | None
    token_types: int | None
    output: OutputKind | None = None


def room_of(ref: str, head: Head, pad_token_id: int | None, longest: int) -> Room:
    """The input limits of the model ``ref``; measured once, then read from the cache.

    Args:
        ref: An alias, a folder in the Hugging Face format, or a hub name.
        head: The head that the task needs.
        pad_token_id: The tokenizer's padding token.
        longest: The number of tokens of the longest example. If it exceeds the maximum in the
            config and no table limits it, the model is run at this length.

    Raises:
        ModelError: The model cannot be loaded or has no such head.
    """
    parts = (ROOM_VERSION, libraries(), model_fingerprint(ref), head.auto_class, pad_token_id)

    def load() -> PreTrainedModel:
        return load_model(ref, head, pad_token_id=pad_token_id)

    room = Room(**_kept(content_key(*parts), lambda: asdict(measure_room(load()))))
    usual = room.usual_positions
    if usual is None or longest <= usual:
        return room
    key = content_key(*parts, longest)
    limit = _kept(key, lambda: {"limit": length_limit(load(), usual, longest)})["limit"]
    return room if limit is None else replace(room, positions=limit, usual_positions=None)


def _kept(key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    path = cache_dir("room") / f"{key}.json"
    known: dict[str, Any] | None = kept_json(path)
    if known is None:
        known = measure()
        keep_json(path, known)
    return known


def measure_room(model: PreTrainedModel) -> Room:
    """The input limits of ``model``, measured by running it on a few tokens; it is not changed.

    If the model cannot be run on them, `find_anatomy` reports that later.
    """
    tokens = _tokens(model)
    seen = _lookups(model, input_ids=tokens)
    positions = _least(
        rows - first[0]
        for rows, first in seen
        if first == list(range(first[0], first[0] + _LENGTH))
    )
    return Room(
        tokens=_least(rows for rows, first in seen if first == tokens),
        positions=positions,
        usual_positions=_named(model) if positions is None else None,
        token_types=_token_types(model, tokens),
        output=_output(model),
    )


def length_limit(model: PreTrainedModel, usual: int, longest: int) -> int | None:
    """The maximum number of tokens per example if no table shows it, found by running ``model``.

    Args:
        model: It is not changed.
        usual: The maximum in its config.
        longest: A greater number of tokens.

    Returns:
        ``usual`` if the model runs on that many tokens but not on ``longest``; None if it runs on
        both or on neither.
    """
    return usual if not _runs(model, longest) and _runs(model, usual) else None


def _named(model: PreTrainedModel) -> int | None:
    """The maximum number of tokens according to the config."""
    config = model.config.get_text_config()
    named = (getattr(config, name, None) for name in _NAMES)
    # It is -1 in XLNet.
    return next((value for value in named if isinstance(value, int) and value > 0), None)


def _tokens(model: PreTrainedModel) -> list[int]:
    # A padding token has no position, whether the tokenizer or the model defines it.
    padding = {getattr(module, "padding_idx", None) for module in model.modules()}
    padding.add(getattr(model.config.get_text_config(), "pad_token_id", None))
    return [token for token in _TOKENS if token not in padding][:_LENGTH]


def _runs(model: PreTrainedModel, length: int) -> bool:
    tokens = _tokens(model)
    try:
        _run(model, input_ids=[tokens[place % len(tokens)] for place in range(length)])
    except Exception:
        # As in `_lookups`, it may be any error.
        return False
    return True


def _run(model: nn.Module, **inputs: list[int]) -> None:
    device = next(model.parameters()).device
    with torch.no_grad(), evaluating(model):
        tensors = {name: torch.tensor([row], device=device) for name, row in inputs.items()}
        model(**{name: as_input(model, tensor) for name, tensor in tensors.items()})


def _output(model: PreTrainedModel) -> OutputKind | None:
    try:
        return output_kind(model)
    except Exception:
        # As in `_lookups`, it may be any error.
        return None


def _token_types(model: nn.Module, tokens: list[int]) -> int | None:
    if "token_type_ids" not in inspect.signature(model.forward).parameters:
        return 0
    seen = _lookups(model, input_ids=tokens, token_type_ids=_TYPES)
    return _least(rows for rows, first in seen if first == _TYPES)


def _least(sizes: Iterable[int]) -> int | None:
    return min(sizes, default=None)


def _lookups(model: nn.Module, **inputs: list[int]) -> list[tuple[int, list[int]]]:
    """The table look-ups of a forward pass: table rows, and the rows read by the first tokens."""
    lookups = _Lookups(model)
    try:
        with lookups:
            _run(model, **inputs)
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
