"""Full fine-tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from progsearch.methods.base import Method

if TYPE_CHECKING:
    from torch import nn


class Full(Method):
    """Trains every parameter."""

    name: ClassVar[str] = "full"
    description: ClassVar[str] = "every parameter of a trained block"

    def trains(self, name: str, parameter: nn.Parameter, added: bool) -> bool:
        """Yes."""
        return True
