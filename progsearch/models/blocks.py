"""Reads and replaces the hidden states in the input and output of Transformer blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def hidden_input(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The hidden states that a block is called with, shape ``(rows, width, hidden_size)``."""
    states: Tensor = args[0] if args else kwargs["hidden_states"]
    return states


def hidden_output(output: Any) -> Tensor:
    """The hidden states in a block's output; in some architectures it is a tuple."""
    states: Tensor = output if isinstance(output, Tensor) else output[0]
    return states


def with_hidden(output: Any, states: Tensor) -> Any:
    """A block's output with its hidden states replaced."""
    return states if isinstance(output, Tensor) else (states, *output[1:])


def tuple_size(output: Any) -> int | None:
    """The length of the tuple that a block returns; None if it returns hidden states alone."""
    return None if isinstance(output, Tensor) else len(output)


def as_output(states: Tensor, size: int | None) -> Any:
    """Hidden states in the form that a block with this `tuple_size` returns."""
    return states if size is None else (states, *[None] * (size - 1))
