"""Makes the last block compute only the token that the head reads.

A classifier reads the last hidden state of one token: the first, or in decoders the last. The
last block's output for the other tokens is not used. This shortcut skips that work, from the
attention on, in the forward and the backward pass.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from progsearch.engine.batches import Batch
from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.sample import short_rows
from progsearch.models.anatomy import Anatomy, evaluating
from progsearch.models.architectures import architecture_of
from progsearch.models.blocks import hidden_output, with_hidden
from progsearch.tasks import Split

_log = logging.getLogger(__name__)

_Position = Literal["first", "last"]


class HeadToken(Shortcut):
    """Restricts the last block to the token that the head reads.

    Args:
        model: The model.
        anatomy: Its parts.
        position: The token's position: ``last`` is the last token that is not the padding token;
            None if the head reads other tokens too.

    Attributes:
        position: As given.
    """

    title = "last block for the head's token"

    def __init__(self, model: nn.Module, anatomy: Anatomy, position: _Position | None) -> None:
        self._block = model.get_submodule(anatomy.blocks[-1])
        self.position = position
        self._pad_id = pad_id_of(model)
        architecture = architecture_of(model)
        name = architecture.after_attention if position else None
        self._after_attention = self._block.get_submodule(name) if name else None
        # A head that reads several tokens needs them all, so that nothing is lost.
        if position and name is None:
            kind = architecture.model_type
            _log.info("the last block computes all tokens: %s is not supported", kind)
        self._last: Tensor | None = None

    @classmethod
    def found(cls, model: nn.Module, anatomy: Anatomy, split: Split) -> Self:
        """The shortcut for ``model``; runs it on examples of ``split`` to find the token."""
        last_block = model.get_submodule(anatomy.blocks[-1])
        return cls(model, anatomy, _position(model, last_block, split))

    @property
    def narrows(self) -> bool:
        """Whether the last block computes one token only."""
        return self._after_attention is not None

    def around(
        self, batch: Batch, rows: Tensor, inputs: dict[str, Tensor]
    ) -> AbstractContextManager[None]:
        """See `alone`."""
        return self.alone(inputs["input_ids"].flatten(0, -2))

    @contextmanager
    def alone(self, input_ids: Tensor) -> Iterator[None]:
        """While active, the last block computes that token only, if the architecture allows it.

        Keys and values are computed for all tokens. In the block's output, only the state of that
        token is valid.

        Args:
            input_ids: Those of all sequences of the batch, shape ``(sequences, width)``, padded
                on the right.
        """
        if self.position == "last":
            assert self._pad_id is not None, "without a padding token there is no such position"
            self._last = _last_places(input_ids, self._pad_id)
        with ExitStack() as stack:
            stack.callback(setattr, self, "_last", None)
            if self._after_attention is not None:
                attention = _OneQuery(self)
                hooks = [
                    self._block.register_forward_pre_hook(attention.enter),
                    self._block.register_forward_hook(attention.leave, always_call=True),
                    self._after_attention.register_forward_pre_hook(self._narrow),
                ]
                for hook in hooks:
                    stack.callback(hook.remove)
            yield

    def _narrow(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(self.of(hidden) for hidden in inputs)

    def of(self, hidden: Tensor) -> Tensor:
        """The token's part of ``hidden``, while `alone` is active.

        Args:
            hidden: Shape ``(rows, ..., width, size)``.

        Returns:
            Shape ``(rows, ..., 1, size)``; ``hidden`` itself if the head reads other tokens too.
        """
        if self.position is None:
            return hidden
        if self.position == "first":
            return hidden[..., :1, :]
        last = self.last.view(-1, *[1] * (hidden.dim() - 1))
        here = torch.arange(hidden.shape[-2], device=hidden.device)[:, None] == last
        if hidden.dtype == torch.bool:
            return (hidden & here).any(-2, keepdim=True)
        # A sum of zeros and one value. The backward pass of indexing would either sum in the order
        # in which a GPU's threads end, or sort first.
        return torch.where(here, hidden, 0).sum(-2, keepdim=True)

    @property
    def last(self) -> Tensor:
        """The index of each row's last token, while `alone` is active, shape ``(rows, 1)``."""
        assert self._last is not None, "the last token is known only while `alone` is active"
        return self._last


class _OneQuery(TorchFunctionMode):
    """Between `enter` and `leave`, attention is computed for the head's token only."""

    def __init__(self, token: HeadToken) -> None:
        super().__init__()
        self._token = token

    def enter(self, *args: Any) -> None:
        """A pre-hook of the block."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def leave(self, *args: Any) -> None:
        """A hook of the block."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            func = self._attend
        return func(*args, **kwargs or {})

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **kwargs: Any,
    ) -> Tensor:
        token = self._token
        if is_causal:
            last = token.last if token.position == "last" else 0
            places = torch.arange(key.shape[-2], device=key.device)
            attn_mask = (places <= last)[..., None, None, :]
        elif attn_mask is not None and attn_mask.shape[-2] > 1:
            attn_mask = token.of(attn_mask)
        one = F.scaled_dot_product_attention(
            token.of(query), key, value, attn_mask=attn_mask, dropout_p=dropout_p, **kwargs
        )
        return one.expand(*query.shape[:-1], -1)


def pad_id_of(model: nn.Module) -> int | None:
    """The padding token that a model's head looks for in its input, if there is one."""
    config: Any = getattr(model, "config", None)
    return None if config is None else getattr(config.get_text_config(), "pad_token_id", None)


def _last_places(ids: Tensor, pad_id: int) -> Tensor:
    """The position of the last token that is not the padding token, as transformers computes it.

    It uses the token ids, not the mask: a text may end with the padding token in models that pad
    with their end-of-sequence token.

    Args:
        ids: Shape ``(rows, width)``.
        pad_id: The padding token.

    Returns:
        Shape ``(rows, 1)``.
    """
    places = torch.arange(ids.shape[-1], device=ids.device, dtype=torch.int32)
    return (places * (ids != pad_id).to(torch.int32)).argmax(-1, keepdim=True)


def _position(model: nn.Module, last_block: nn.Module, split: Split) -> _Position | None:
    """The token whose last hidden state the output depends on, found from the gradient."""
    states: list[Tensor] = []

    def cut(block: nn.Module, inputs: Any, output: Any) -> Any:
        states.append(hidden_output(output).detach().requires_grad_())
        return with_hidden(output, states[0])

    pad_id = pad_id_of(model)
    sample = short_rows(split, pad_id)
    # With padding if any example has it, to tell the last token from the last position.
    width = min(int(sample.lengths.max()) + 1, int(split.lengths.max()))
    device = next(model.parameters()).device
    batch = sample.gather(torch.arange(len(sample), device=device), width)
    inputs = {name: value for name, value in batch.items() if name not in sample.targets}
    hook = last_block.register_forward_hook(cut)
    try:
        with torch.enable_grad(), evaluating(model):
            output = model(**inputs)
    finally:
        hook.remove()
    found = [value for name, value in output.items() if name != "loss"]
    total = torch.stack([value.sum() for value in found if isinstance(value, Tensor)]).sum()
    (gradient,) = torch.autograd.grad(total, states, allow_unused=True)
    ids = batch["input_ids"].flatten(0, -2)
    # With some attention kernels, the tokens of all examples are packed into one row.
    if gradient is None or gradient.shape[:2] != ids.shape:
        return None
    read = gradient.any(dim=2)
    first = torch.zeros(len(ids), 1, dtype=torch.long, device=device)
    last = first if pad_id is None else _last_places(ids, pad_id)
    if not last.any():
        return None
    places = torch.arange(width, device=device)
    if torch.equal(read, places == first):
        return "first"
    return "last" if torch.equal(read, places == last) else None
