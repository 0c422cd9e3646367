"""The names of a model's trainable parameters, by part."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from torch import nn

from progsearch.models.anatomy import Anatomy, Part
from progsearch.schedule import Stage


@dataclass(frozen=True)
class TrainableParameters:
    """Names of the parameters that a method trains while their part is not frozen.

    Attributes:
        embeddings: Parameters of the embeddings.
        blocks: Parameters of each block, input side first.
        head: Parameters of the head.
    """

    embeddings: tuple[str, ...]
    blocks: tuple[tuple[str, ...], ...]
    head: tuple[str, ...]

    @classmethod
    def of(cls, model: nn.Module, anatomy: Anatomy) -> TrainableParameters:
        """The parameters of ``model`` that currently require a gradient."""
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
