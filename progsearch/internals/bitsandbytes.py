"""AdamW with its moments in 8 bits (arXiv 2110.02861), by bitsandbytes.

What the library does not document is used here alone: how an optimizer asks for the settings of a
parameter, and what it keeps of one. It takes a second to import, so import this on first use.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

# The import below warns of a faster product for one row, which is not used here.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

from bitsandbytes import functional  # noqa: E402
from bitsandbytes.optim import AdamW8bit  # noqa: E402

# The numbers that share a scale.
_BLOCK = 256
# The 256 values that codes stand for, the same for all parameters.
_SIGNED = {"qmap1": True, "qmap2": False}

__all__ = ["SteadyAdamW8bit", "first_moment", "functional", "state_from", "tensors_of"]


class SteadyAdamW8bit(AdamW8bit):  # type: ignore[misc]
    """The optimizer of the library, with settings that do not depend on other ones.

    The library keeps exceptions from 8 bits in a list of the whole process, by the place of a
    parameter in its group and by its address. Both may be another parameter's here, since groups
    change with each stage.

    Args:
        groups: The groups of parameters, with their weight decay.
        in_32_bits: The parameters whose moments stay in 32 bits.
    """

    def __init__(self, groups: list[dict[str, Any]], in_32_bits: Collection[nn.Parameter]) -> None:
        super().__init__(groups, lr=0.0)
        self._in_32_bits = {id(parameter) for parameter in in_32_bits}

    def get_config(self, gindex: int, pindex: int, group: dict[str, Any]) -> dict[str, Any]:
        """The settings for one parameter."""
        exact = id(group["params"][pindex]) in self._in_32_bits
        config: dict[str, Any] = super().get_config(gindex, pindex, group)
        return config | {"optim_bits": 32 if exact else 8}


def tensors_of(state: dict[str, Any]) -> dict[str, Tensor]:
    """What decides the state of a parameter, as tensors."""
    return {k: torch.as_tensor(value) for k, value in state.items() if k not in _SIGNED}


def state_from(tensors: dict[str, Tensor], device: torch.device) -> dict[str, Any]:
    """The state of a parameter from `tensors_of`.

    Args:
        tensors: On any device.
        device: The parameter's.
    """
    state: dict[str, Any] = {k: value.to(device) for k, value in tensors.items()}
    state["step"] = int(tensors["step"])
    if "absmax1" in tensors:
        for name, signed in _SIGNED.items():
            state[name] = functional.create_dynamic_map(signed=signed).to(device)
    return state


def first_moment(state: dict[str, Any]) -> Tensor:
    """Adam's first moment of a parameter, in its shape."""
    codes: Tensor = state["state1"]
    if codes.dtype != torch.uint8:
        return codes
    moment: Tensor = functional.dequantize_blockwise(
        codes, absmax=state["absmax1"], code=state["qmap1"], blocksize=_BLOCK
    )
    return moment
