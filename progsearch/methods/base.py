"""What every fine-tuning method promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass

from torch import nn

from progsearch.config import MethodConfig
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


class Method(ABC):
    """A way to fine-tune: which parameters of a part are trained, and which are added for it.

    A method leaves the names of the model's modules and what the model computes before the first
    step as they are. The head is always trained whole: it is new for the task.
    """

    def __init__(self, config: MethodConfig) -> None:
        self.config = config

    def prepare(self, model: nn.Module, anatomy: Anatomy) -> None:  # noqa: B027
        """Add the method's own parameters to the blocks of ``model``, in place."""

    @abstractmethod
    def trains(self, name: str, parameter: nn.Parameter, added: bool) -> bool:
        """Whether the method trains this parameter of the embeddings or a block.

        Args:
            name: Its name in the model.
            parameter: The parameter.
            added: Whether `prepare` has put it there.
        """

    def merge(self, model: nn.Module) -> nn.Module:
        """The trained model without the method's own modules, where that is exact."""
        return model
