"""QLoRA: LoRA on weights in 4 bits (Dettmers et al. 2023, arXiv 2305.14314)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from progsearch.methods.lora import Lora

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


class QLora(Lora):
    """LoRA on weights that are held in 4 bits, of all linear layers of the blocks.

    The exact weights are put aside, and the matrices are merged into these.
    """

    name: ClassVar[str] = "qlora"
    description: ClassVar[str] = "lora on weights in 4 bits (Dettmers et al. 2023), extra gpu"
    frozen_dtype: ClassVar[Literal["nf4"] | None] = "nf4"

    def found_in(self, model: nn.Module) -> dict[str, Any] | None:
        """None: modules that others prepared are those of LoRA, whatever their weights are."""
        return None

    def added_to(self, model: nn.Module) -> Iterator[nn.Parameter]:
        """Nothing, as `found_in`."""
        return iter(())
