"""What a Transformer block is given and gives: hidden states, alone or with other things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def hidden_input(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The hidden states that a block is called with, shape ``(rows, width, hidden_size)``."""
    states: Tensor = args[0] if args else kwargs["hidden_states"]
    return states


def hidden_output(output: Any) -> Tensor:
    """The hidden states of what a block returned; some architectures put them into a tuple."""
    states: Tensor = output if isinstance(output, Tensor) else output[0]
    return states


def with_hidden(output: Any, states: Tensor) -> Any:
    """What a block returned, with other hidden states in their place."""
    return states if isinstance(output, Tensor) else (states, *output[1:])


def tuple_size(output: Any) -> int | None:
    """How many things a block returns in a tuple; None: it returns its hidden states alone."""
    return None if isinstance(output, Tensor) else len(output)


def as_output(states: Tensor, size: int | None) -> Any:
    """Hidden states as a block with outputs of this `tuple_size` returns them."""
    return states if size is None else (states, *[None] * (size - 1))
