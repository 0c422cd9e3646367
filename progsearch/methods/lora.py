"""LoRA: low-rank updates of frozen weights (Hu et al. 2022, arXiv 2106.09685), with peft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from progsearch.methods.base import Method

if TYPE_CHECKING:
    from torch import nn

    from progsearch.models.anatomy import Anatomy


class Lora(Method):
    """Trains a low-rank update of every linear layer of the blocks; nothing in the embeddings."""

    name: ClassVar[str] = "lora"
    description: ClassVar[str] = (
        "low-rank matrices on the linear layers of the blocks (Hu et al. 2021), and the head"
    )
    free: ClassVar[frozenset[str]] = frozenset({"lora_alpha"})
    # Schulman et al., "LoRA Without Regret" (2025): its best rates are ten times those of full
    # fine-tuning.
    rate_factor: ClassVar[float] = 10.0

    lora_rank: int = Field(default=8, ge=1)
    lora_alpha: float = Field(default=16.0, gt=0)

    def prepare(self, model: nn.Module, anatomy: Anatomy) -> None:
        """Add the matrices to the linear layers; B is zero, so the outputs do not change yet."""
        from peft import LoraConfig, inject_adapter_in_model
        from transformers.pytorch_utils import Conv1D

        from progsearch.methods.linear import linear_layers

        targets = {
            f"{block}.{name}": layer
            for block in anatomy.blocks
            for name, layer in linear_layers(model.get_submodule(block)).items()
        }
        config = LoraConfig(
            r=self.lora_rank,
            lora_alpha=self.lora_alpha,
            target_modules=list(targets),
            fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in targets.values()),
        )
        inject_adapter_in_model(config, model)

    def trains(self, name: str, parameter: nn.Parameter, added: bool) -> bool:
        """Whether the parameter is one of LoRA's matrices."""
        return added

    def found_in(self, model: nn.Module) -> dict[str, Any] | None:
        """Rank and alpha of the model's matrices."""
        from peft.tuners.lora import LoraLayer

        layer = next((m for m in model.modules() if isinstance(m, LoraLayer)), None)
        if layer is None:
            return None
        (adapter, *_) = layer.r
        return {"lora_rank": layer.r[adapter], "lora_alpha": layer.lora_alpha[adapter]}

    def merge(self, model: nn.Module) -> nn.Module:
        """Add each low-rank update to its weight and remove the matrices."""
        from peft.tuners.lora import LoraLayer

        layers = [(n, m) for n, m in model.named_modules() if isinstance(m, LoraLayer)]
        for name, layer in layers:
            layer.merge(safe_merge=True)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.get_base_layer())
        # With this attribute, peft marks a model that has LoRA layers.
        del model.peft_config
        return model
