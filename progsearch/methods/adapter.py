"""Bottleneck adapters after attention and feed-forward (Houlsby et al. 2019, arXiv 1902.00751)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from progsearch.errors import MethodError
from progsearch.methods.base import Method

if TYPE_CHECKING:
    from torch import nn

    from progsearch.models.anatomy import Anatomy


class Adapter(Method):
    """Trains an adapter after each layer that writes to the residual stream of a block.

    The block's norms and the embeddings stay frozen. An adapter is not linear, so it cannot be
    merged into the layer before it.
    """

    name: ClassVar[str] = "adapter"
    description: ClassVar[str] = (
        "bottleneck adapters in the blocks (Houlsby et al. 2019), and the head"
    )
    merges: ClassVar[bool] = False
    # Houlsby et al. (arXiv 1902.00751) use rates about ten times those of full fine-tuning.
    rate_factor: ClassVar[float] = 10.0

    adapter_size: int = Field(default=64, ge=1)

    def prepare(self, model: nn.Module, anatomy: Anatomy) -> None:
        """Add adapters to the output projections, which keep their names and weights.

        Raises:
            MethodError: A block has no linear layer that writes to the residual stream.
        """
        from progsearch.methods.bottleneck import adapt
        from progsearch.methods.linear import residual_writers

        for block, layers in zip(anatomy.blocks, residual_writers(model, anatomy), strict=True):
            if not layers:
                raise MethodError(
                    f"adapter found no linear layer in {block} of {type(model).__name__} whose "
                    f"output goes to the residual stream; choose full or bitfit"
                )
            for layer in layers:
                adapt(layer, self.adapter_size)

    def found_in(self, model: nn.Module) -> dict[str, Any] | None:
        """The size of the model's adapters."""
        from progsearch.methods.bottleneck import Bottleneck

        found = next((m for m in model.modules() if isinstance(m, Bottleneck)), None)
        return None if found is None else {"adapter_size": found.down.out_features}

    def added_to(self, model: nn.Module) -> Iterator[nn.Parameter]:
        """The parameters of the adapters."""
        from progsearch.methods.bottleneck import Bottleneck

        for module in model.modules():
            if isinstance(module, Bottleneck):
                yield from module.parameters()

    def trains(self, name: str, parameter: nn.Parameter, added: bool) -> bool:
        """Whether the parameter belongs to an adapter."""
        return added
