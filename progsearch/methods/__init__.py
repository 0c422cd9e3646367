"""Fine-tuning methods: which parameters of a part are trained while it is not frozen."""

from __future__ import annotations

import torch
from torch import nn

from progsearch.config import MethodConfig, MethodName
from progsearch.methods.adapter import Adapter
from progsearch.methods.base import Method
from progsearch.methods.bitfit import BitFit
from progsearch.methods.full import Full
from progsearch.methods.lora import Lora
from progsearch.models.anatomy import Anatomy
from progsearch.models.trainable import TrainableParameters

__all__ = ["apply_method", "merge_method"]

_METHODS: dict[MethodName, type[Method]] = {
    "full": Full,
    "lora": Lora,
    "bitfit": BitFit,
    "adapter": Adapter,
}


def apply_method(
    model: nn.Module, anatomy: Anatomy, method: MethodConfig, seed: int = 0
) -> TrainableParameters:
    """Make ``model`` trainable by ``method``, in place; what it computes does not change yet.

    Args:
        model: A model without another method's parameters.
        anatomy: The parts of ``model``; they stay valid.
        method: The method and its settings.
        seed: Decides the start of the parameters that the method adds.

    Returns:
        What the method trains; exactly these parameters require a gradient now.

    Raises:
        MethodError: The method does not fit the model.
    """
    implementation = _METHODS[method.name](method)
    original = set(model.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        implementation.prepare(model, anatomy)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(
            anatomy.part_of(name) == "head"
            or implementation.trains(name, parameter, added=parameter not in original)
        )
    return TrainableParameters.of(model, anatomy)


def merge_method(model: nn.Module, method: MethodConfig) -> nn.Module:
    """``model`` after training without the method's own modules, in place, where that is exact.

    LoRA's updates go into the weights, which gives a plain Hugging Face model. Adapters are not
    linear and stay.
    """
    return _METHODS[method.name](method).merge(model)
