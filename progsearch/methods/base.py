"""The base class of fine-tuning methods.

Methods import torch and transformers inside their functions, so that listing them does not
import heavy libraries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from progsearch.config import MethodSettings

if TYPE_CHECKING:
    from torch import nn

    from progsearch.models.anatomy import Anatomy


class Method(MethodSettings, ABC):
    """A way to fine-tune: which parameters are trained, and which are added.

    Its fields are its settings; `progsearch.config.method.MethodSettings` explains how they are
    named, and the class attributes. A method changes neither the names of the model's modules nor
    the model's outputs before the first step. All parameters of a head that is new for the task
    are always trained. The head of a language model is pre-trained, so the method decides.

    Example:
        >>> from typing import ClassVar
        >>> from progsearch.methods import Method
        >>> class Norms(Method):
        ...     name: ClassVar[str] = "norms"
        ...     description: ClassVar[str] = "the norms, and the head"
        ...
        ...     def trains(self, name, parameter, added):
        ...         return "norm" in name.lower()
    """

    def prepare(self, model: nn.Module, anatomy: Anatomy) -> None:
        """Add the method's own parameters to the blocks of ``model``, in place.

        Raises:
            MethodError: The method does not fit the model.
        """

    @abstractmethod
    def trains(self, name: str, parameter: nn.Parameter, added: bool) -> bool:
        """Whether the method trains this parameter of the embeddings, a block or a trained head.

        Args:
            name: Its name in the model.
            parameter: The parameter.
            added: Whether `prepare` added it.
        """

    def found_in(self, model: nn.Module) -> dict[str, Any] | None:
        """The settings of the method's modules in a model that others prepared.

        Returns:
            Settings by name, as far as the modules show them; empty if the method adds no
            modules. None if the model lacks them, or the method cannot tell.
        """
        return {} if type(self).prepare is Method.prepare else None

    def added_to(self, model: nn.Module) -> Iterable[nn.Parameter]:
        """The parameters of the method's modules in a model that others prepared."""
        return ()

    def differs(self, model: nn.Module, anatomy: Anatomy) -> list[str]:
        """How the method's modules in such a model differ, apart from its settings.

        Returns:
            Sentences of the form ``NAME is A in the Trainer and B in the file``.
        """
        return []

    def merge(self, model: nn.Module) -> nn.Module:
        """Merge the method's modules into the trained model, in place, if that is exact."""
        return model
