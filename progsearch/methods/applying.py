"""Makes a model trainable by a method, and takes the method out again after training."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import nn

from progsearch.config import MethodSettings
from progsearch.errors import MethodError
from progsearch.methods.base import Method
from progsearch.models.anatomy import Anatomy, Part
from progsearch.schedule import Stage


@dataclass(frozen=True)
class TrainableParameters:
    """Names of the parameters a method trains while their part is not frozen.

    Attributes:
        embeddings: Those of the embeddings.
        blocks: Those of each block, input side first.
        head: Those of the head.
    """

    embeddings: tuple[str, ...]
    blocks: tuple[tuple[str, ...], ...]
    head: tuple[str, ...]

    @classmethod
    def of(cls, model: nn.Module, anatomy: Anatomy) -> TrainableParameters:
        """The parameters of ``model`` that require a gradient now."""
        names: dict[Part, list[str]] = defaultdict(list)
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                names[anatomy.part_of(name)].append(name)
        return cls(
            embeddings=tuple(names["embeddings"]),
            blocks=tuple(tuple(names[block]) for block in range(anatomy.n_blocks)),
            head=tuple(names["head"]),
        )

    def names(self, *stages: Stage) -> frozenset[str]:
        """The parameters that any of ``stages`` trains."""
        return frozenset(
            name
            for stage in stages
            for part in (
                self.embeddings if stage.embeddings else (),
                *(self.blocks[block] for block in stage.trainable_blocks),
                self.head if stage.head else (),
            )
            for name in part
        )


def apply_method(
    model: nn.Module, anatomy: Anatomy, method: MethodSettings, seed: int = 0
) -> TrainableParameters:
    """Make ``model`` trainable by ``method``, in place; what it computes does not change yet.

    Args:
        model: A model without another method's parameters.
        anatomy: The parts of ``model``; they stay valid.
        method: The method and its settings.
        seed: Decides the initial values of the parameters that the method adds.

    Returns:
        What the method trains; exactly these parameters require a gradient now.

    Raises:
        MethodError: The method does not fit the model.
    """
    method = _usable(method)
    original = set(model.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method.prepare(model, anatomy)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(
            anatomy.part_of(name) == "head"
            or method.trains(name, parameter, added=parameter not in original)
        )
    return TrainableParameters.of(model, anatomy)


def merge_method(model: nn.Module, method: MethodSettings) -> nn.Module:
    """``model`` after training without the method's own modules, in place, if that is exact."""
    return _usable(method).merge(model)


def _usable(method: MethodSettings) -> Method:
    if not isinstance(method, Method):
        raise MethodError(
            f"method {method.name!r} has settings only and cannot train; make its class a "
            "subclass of progsearch.methods.Method"
        )
    return method
