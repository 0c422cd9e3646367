"""Applies a fine-tuning method to a model, and merges it after training."""

from __future__ import annotations

import torch
from torch import nn

from progsearch.config import MethodSettings
from progsearch.methods.base import Method
from progsearch.models.anatomy import Anatomy
from progsearch.models.language_head import language_head
from progsearch.models.trainable import TrainableParameters


def apply_method(
    model: nn.Module, anatomy: Anatomy, method: MethodSettings, seed: int = 0
) -> TrainableParameters:
    """Apply ``method`` to ``model``, in place; the model's outputs do not change yet.

    Args:
        model: A model without another method's parameters.
        anatomy: The parts of ``model``; they stay valid.
        method: The method and its settings.
        seed: Determines the initial values of the parameters that the method adds.

    Returns:
        The parameters that the method trains; exactly these require a gradient now.

    Raises:
        MethodError: The method does not fit the model.
    """
    method = usable(method)
    original = set(model.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method.prepare(model, anatomy)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(
            trains(method, model, anatomy, name, parameter, added=parameter not in original)
        )
    return TrainableParameters.of(model, anatomy)


def trains(
    method: Method,
    model: nn.Module,
    anatomy: Anatomy,
    name: str,
    parameter: nn.Parameter,
    *,
    added: bool,
) -> bool:
    """Whether a method trains a parameter of ``model``: all of a new head, else what it says."""
    is_new = anatomy.part_of(name) == "head" and language_head(model) is None
    return is_new or method.trains(name, parameter, added=added)


def merge_method(model: nn.Module, method: MethodSettings) -> nn.Module:
    """Merge the method's modules into the trained ``model``, in place, if that is exact."""
    return usable(method).merge(model)


def usable(method: MethodSettings) -> Method:
    """A method that can be applied."""
    assert isinstance(method, Method), "the registry holds others to this contract"
    return method
