"""LoRA: low-rank updates of frozen weights (Hu et al. 2022, arXiv 2106.09685), with peft."""

from __future__ import annotations

from collections.abc import Iterator
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
        """Rank and alpha of the model's matrices; the alpha that their scaling amounts to."""
        layers = _layers(model)
        if not layers:
            return None
        alphas = {layer.scaling[name] * layer.r[name] for layer, name in layers.values()}
        return {
            "lora_rank": _one({layer.r[name] for layer, name in layers.values()}),
            "lora_alpha": _one({round(alpha, 6) for alpha in alphas}),
        }

    def added_to(self, model: nn.Module) -> Iterator[nn.Parameter]:
        """The two matrices of each layer."""
        for layer, name in _layers(model).values():
            yield from layer.lora_A[name].parameters()
            yield from layer.lora_B[name].parameters()

    def differs(self, model: nn.Module, anatomy: Anatomy) -> list[str]:
        """Linear layers of the blocks without matrices, and dropout before the matrices."""
        from progsearch.methods.linear import linear_layers

        layers = _layers(model)
        without = [
            f"{block}.{name}"
            for block in anatomy.blocks
            for name in linear_layers(model.get_submodule(block))
            if not any(f"{block}.{name}".startswith(f"{layer}.") for layer in layers)
        ]
        found = []
        if without:
            found.append(
                f"the number of linear layers without LoRA is {len(without)} in the Trainer "
                f"and 0 in the file, {without[0]} among them"
            )
        dropout = {
            float(getattr(layer.lora_dropout[name], "p", 0.0)) for layer, name in layers.values()
        }
        if dropout != {0.0}:
            found.append(f"lora_dropout is {_one(dropout)} in the Trainer and 0 in the file")
        return found

    def merge(self, model: nn.Module) -> nn.Module:
        """Add each low-rank update to its weight and remove the matrices."""
        for name, (layer, _) in _layers(model).items():
            layer.merge(safe_merge=True)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.get_base_layer())
        # With this attribute, peft marks a model that has LoRA layers.
        del model.peft_config
        return model


def _layers(model: nn.Module) -> dict[str, tuple[Any, str]]:
    """The model's LoRA layers by name, each with the name of its matrices in use."""
    from peft.tuners.lora import LoraLayer

    return {
        name: (module, next(iter(module.active_adapters)))
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


def _one(values: set[Any]) -> Any:
    """The only value, or all of them in words."""
    return values.pop() if len(values) == 1 else " or ".join(map(str, sorted(values)))
