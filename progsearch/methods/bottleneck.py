"""The bottleneck module that adapters insert (Houlsby et al. 2019, arXiv 1902.00751)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

# Standard deviation of the initial weights, as in the paper.
_STD = 1e-2


class Bottleneck(nn.Module):
    """``x + up(gelu(down(x)))`` over the last dimension.

    The paper starts near the identity; with ``up`` at zero this is the identity at first, as in
    LoRA.

    Args:
        width: Size of the last dimension of the input and the output.
        size: Width of the bottleneck.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, size)
        self.up = nn.Linear(size, width)
        nn.init.trunc_normal_(self.down.weight, std=_STD, a=-2 * _STD, b=2 * _STD)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The input plus a correction; same shape."""
        correction: Tensor = self.up(F.gelu(self.down(x)))
        return x + correction


def adapt(layer: nn.Linear | Conv1D, size: int) -> None:
    """Pass the output of ``layer`` through a bottleneck; its names and weights do not change."""
    width = layer.nf if isinstance(layer, Conv1D) else layer.out_features
    layer.add_module("adapter", Bottleneck(width, size).to(layer.weight))
    layer.register_forward_hook(_corrected)


def _corrected(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    adapted: Tensor = layer.get_submodule("adapter")(output)
    return adapted
