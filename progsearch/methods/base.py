"""What every fine-tuning method promises."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from progsearch.config import MethodConfig
from progsearch.models.anatomy import Anatomy


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
