"""Full fine-tuning."""

from __future__ import annotations

from torch import nn

from progsearch.methods.base import Method


class Full(Method):
    """Trains every parameter."""

    def trains(self, name: str, parameter: nn.Parameter, added: bool) -> bool:
        """Yes."""
        return True
