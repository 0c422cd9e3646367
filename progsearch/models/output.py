"""The linear layer that gives a model's outputs, and the unit of these outputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from progsearch.errors import ModelError
from progsearch.models.anatomy import TOKENS, evaluating
from progsearch.models.head import Unit

OutputKind = Literal["affine", "linear"]


def output_layer(model: PreTrainedModel) -> nn.Linear | None:
    """The linear layer whose outputs are the model's logits; None if there is none.

    It is found by running the model on a few tokens, since its name differs between
    architectures. A decoder's layer gives outputs for all tokens, of which the logits are one.
    """
    seen: dict[nn.Linear, Tensor] = {}

    def keep(layer: nn.Linear, module: nn.Module, inputs: Any, output: Tensor) -> None:
        seen[layer] = output

    hooks = [
        layer.register_forward_hook(partial(keep, layer))
        for layer in model.modules()
        if isinstance(layer, nn.Linear) and layer.out_features == model.config.num_labels
    ]
    tokens = torch.tensor([TOKENS], device=next(model.parameters()).device)
    try:
        with torch.no_grad(), evaluating(model):
            logits = model(input_ids=tokens).logits
    finally:
        for hook in hooks:
            hook.remove()
    n_outputs = logits.shape[-1]
    rows = logits.reshape(1, -1, n_outputs)
    for layer, output in reversed(seen.items()):
        given = output.reshape(-1, 1, n_outputs)
        if bool((given == rows).all(-1).any(0).all()):
            return layer
    return None


def output_kind(model: PreTrainedModel) -> OutputKind | None:
    """Whether the logits come from a linear layer with a bias, without one, or from neither."""
    layer = output_layer(model)
    if layer is None:
        return None
    return "linear" if layer.bias is None else "affine"


def into_unit(model: PreTrainedModel, unit: Unit) -> None:
    """Change a model of standardised outputs, in place, into one of outputs in ``unit``.

    Raises:
        ModelError: Its output layer cannot express the unit.
    """
    layer = _layer_for(model, unit)
    with torch.no_grad():
        layer.weight.mul_(unit.spread)
        if layer.bias is not None:
            layer.bias.mul_(unit.spread).add_(unit.mean)


def from_unit(model: PreTrainedModel, unit: Unit) -> None:
    """The reverse of `into_unit`."""
    into_unit(model, Unit(-unit.mean / unit.spread, 1 / unit.spread))


@contextmanager
def in_unit(model: PreTrainedModel, unit: Unit) -> Iterator[None]:
    """While active, the outputs of a model of standardised outputs are in ``unit``.

    Raises:
        ModelError: As for `into_unit`.
    """
    layer = _layer_for(model, unit)
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    into_unit(model, unit)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, values in zip(layer.parameters(), before, strict=True):
                parameter.copy_(values)


def _layer_for(model: PreTrainedModel, unit: Unit) -> nn.Linear:
    layer = output_layer(model)
    if layer is None or (layer.bias is None and unit.mean):
        raise ModelError(
            f"the outputs of {type(model).__name__} are not those of a linear layer"
            f"{' with a bias' if unit.mean else ''}, so they cannot be put into the unit of the "
            "labels; choose a model of another architecture"
        )
    return layer
