"""Gradient checkpointing of the blocks that the backward pass goes through.

A block keeps only its input for the backward pass, which runs the block again. The same inputs,
weights and random numbers give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from progsearch.config import TrainingConfig
from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.forwards import replaced
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.models.anatomy import Anatomy


class Checkpointing:
    """Checkpoints blocks in passes with gradients.

    Args:
        model: The model.
        anatomy: Its parts.
        training: Says whether blocks are checkpointed.
        shortcuts: Those of its passes.

    Attributes:
        first: The first block that is checkpointed, as an index: those below pass no gradient.
    """

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        training: TrainingConfig,
        shortcuts: Iterable[Shortcut],
    ) -> None:
        blocks = [model.get_submodule(name) for name in anatomy.blocks]
        # A last block that computes one token keeps little, and the backward pass starts with it.
        # It could not be run again either: what narrows it is active during the pass alone.
        if any(isinstance(s, HeadToken) and s.narrows for s in shortcuts):
            blocks = blocks[:-1]
        self._blocks = blocks if training.gradient_checkpointing else []
        self.first = 0

    def around(self) -> AbstractContextManager[None]:
        """A context that is active during a forward pass, inside of those of the shortcuts."""
        blocks = self._blocks[self.first :]
        if not blocks or not torch.is_grad_enabled():
            return nullcontext()
        return replaced(
            {
                # The forward pass that shortcuts gave it is the one that is run again.
                block: partial(checkpoint, block.forward, use_reentrant=False)
                for block in blocks
            }
        )
