"""Bottleneck adapters after attention and feed-forward (Houlsby et al. 2019, arXiv 1902.00751)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from transformers.pytorch_utils import Conv1D

from progsearch.errors import MethodError
from progsearch.methods.base import Method
from progsearch.methods.linear import residual_writers
from progsearch.models.anatomy import Anatomy

# Standard deviation of the weights at the start, as in the paper.
_STD = 1e-2


class Bottleneck(nn.Module):
    """``x + up(gelu(down(x)))`` over the last dimension.

    The paper starts near the identity; with ``up`` at zero this starts at it, as LoRA does.

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
        """The input plus its correction, same shape."""
        correction: Tensor = self.up(F.gelu(self.down(x)))
        return x + correction


class Adapter(Method):
    """Trains an adapter behind each layer that writes to the residual stream of a block.

    The block's norms stay frozen, and so do the embeddings.
    """

    def prepare(self, model: nn.Module, anatomy: Anatomy) -> None:
        """Hang the adapters on the output projections, whose names and weights stay.

        Raises:
            MethodError: A block has no linear layer that writes to the residual stream.
        """
        for block, layers in zip(anatomy.blocks, residual_writers(model, anatomy), strict=True):
            if not layers:
                raise MethodError(
                    f"adapter found no linear layer in {block} of {type(model).__name__} whose "
                    f"output goes to the residual stream; choose full or bitfit"
                )
            for layer in layers:
                width = layer.nf if isinstance(layer, Conv1D) else layer.out_features
                adapter = Bottleneck(width, self.config.adapter_size)
                layer.add_module("adapter", adapter.to(layer.weight.device))
                layer.register_forward_hook(_adapt)

    def trains(self, name: str, parameter: nn.Parameter, added: bool) -> bool:
        """Whether it belongs to an adapter."""
        return added


def _adapt(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    adapted: Tensor = layer.get_submodule("adapter")(output)
    return adapted
