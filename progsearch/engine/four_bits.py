"""Weights in 4 bits: NormalFloat of QLoRA (arXiv 2305.14314, section 3), with bitsandbytes.

Each block of 64 numbers is divided by its largest magnitude, and each quotient becomes the nearest
of 16 numbers, the quantiles of a normal distribution. So a weight takes 4.5 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Self

import torch
from torch import Tensor

_BLOCK = 64
_KIND = "nf4"
_BYTES_OF_SCALE = 4


def library_version() -> str:
    """The version of bitsandbytes; part of the keys of work that depends on it."""
    return version("bitsandbytes")


def packed_bytes(numbers: int) -> int:
    """The bytes that so many numbers take."""
    return math.ceil(numbers / 2) + _BYTES_OF_SCALE * math.ceil(numbers / _BLOCK)


@dataclass(frozen=True)
class Packed:
    """A weight in 4 bits.

    Attributes:
        codes: Two numbers in a byte.
        scales: The largest magnitude of each block.
        shape: The weight's.
    """

    codes: Tensor
    scales: Tensor
    shape: torch.Size

    @classmethod
    @torch.no_grad()
    def of(cls, weight: Tensor) -> Self:
        """Quantise a weight, on its device; the same weight gives the same codes."""
        functional = _functional()
        codes, state = functional.quantize_4bit(
            weight.contiguous(), blocksize=_BLOCK, quant_type=_KIND
        )
        return cls(codes, state.absmax, weight.shape)

    @torch.no_grad()
    def to(self, dtype: torch.dtype) -> Tensor:
        """The weight that the codes stand for."""
        functional = _functional()
        state = functional.QuantState(
            absmax=self.scales, shape=self.shape, dtype=dtype, blocksize=_BLOCK, quant_type=_KIND
        )
        weight: Tensor = functional.dequantize_4bit(self.codes, state)
        # It comes transposed if there is one byte of codes.
        return weight.reshape(self.shape)


def _functional() -> Any:
    # Imported on first use: it takes a second.
    from progsearch.internals.bitsandbytes import functional

    return functional
