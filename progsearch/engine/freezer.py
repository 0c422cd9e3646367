"""Applies a stage to a model: freezes and unfreezes its parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from torch import nn
from torch.optim import Optimizer

from progsearch.models.anatomy import Anatomy, Part
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Stage

Span = tuple[int, int, Stage]


class Freezer:
    """Freezes and unfreezes the parts of one model.

    A frozen part has no gradient, no optimizer state and no dropout. Modules between the
    embeddings and the blocks are frozen with the embeddings. The engine and the Trainer callback
    share this class, so "frozen" means the same in both.
    """

    def __init__(self, model: nn.Module, anatomy: Anatomy, trainable: TrainableParameters) -> None:
        self._model = model
        self._anatomy = anatomy
        self._trainable = trainable
        self._parameters = dict(model.named_parameters())
        self._frozen_modules: list[nn.Module] = []
        self._frozen_holders: list[nn.Module] = []
        ancestors = {
            name[: dot.start()] for name in anatomy.blocks for dot in re.finditer(r"\.", name)
        }
        self._holders = [model.get_submodule(name) for name in sorted(ancestors)]

    def enter(self, stage: Stage, optimizer: Optimizer) -> None:
        """Start ``stage``: from now on only its parts are trained."""
        trained = self._trainable.names(stage)
        for name, parameter in self._parameters.items():
            parameter.requires_grad_(name in trained)
            if name not in trained:
                parameter.grad = None
                # Adam would keep two unused tensors of the parameter's size, and would continue
                # from stale moments if the parameter were unfrozen later.
                optimizer.state.pop(parameter, None)
        self._frozen_modules = [
            module
            for part in self._frozen_parts(stage)
            for module in self._anatomy.modules(self._model, part)
        ]
        self._frozen_holders = [] if self._trains_embeddings(stage) else self._holders
        self.set_modes()

    def set_modes(self) -> None:
        """Set training mode, except in the frozen parts."""
        self._model.train()
        self.freeze_modes()

    def freeze_modes(self) -> None:
        """Turn off dropout in the frozen parts; call it after each ``model.train()``."""
        for module in self._frozen_modules:
            module.eval()
        # The modules that hold the blocks may call dropout as a function between embeddings and
        # blocks (BioGPT, Starcoder2), or skip blocks at random. Only their flag decides that.
        for holder in self._frozen_holders:
            holder.training = False

    def frozen_prefix(self, stage: Stage) -> int:
        """The number of leading blocks whose output depends only on the input in ``stage``."""
        trained = replace(stage, embeddings=self._trains_embeddings(stage))
        return trained.frozen_prefix(self._anatomy.n_blocks)

    def frozen_since(self, stage: Stage, spans: Iterable[Span], step: int) -> int:
        """The step before ``step`` from which the frozen prefix of ``stage`` has been frozen.

        Args:
            stage: The stage that begins at ``step``.
            spans: All stages of the run, as ``(first step, end step, stage)``.
            step: An optimizer step.
        """
        depth = self.frozen_prefix(stage)
        trained = [
            end for _, end, other in spans if end <= step and self.frozen_prefix(other) < depth
        ]
        return max(trained, default=0)

    def frozen_after_prefix(self, stage: Stage) -> str | None:
        """Names the frozen blocks after the prefix, and why their output still changes.

        Returns:
            A phrase for the log; None if there is no such block.
        """
        depth = self.frozen_prefix(stage)
        trained = stage.trainable_blocks
        frozen = [i for i in range(depth, self._anatomy.n_blocks) if i not in trained]
        if not frozen:
            return None
        below = "the embeddings" if self._trains_embeddings(stage) else f"block {trained[0]}"
        return f"frozen blocks {', '.join(map(str, frozen))}, whose input changes with {below}"

    def _trains_embeddings(self, stage: Stage) -> bool:
        # Embeddings count as frozen if the method trains no parameter of them (LoRA).
        return stage.embeddings and bool(self._trainable.embeddings)

    def _frozen_parts(self, stage: Stage) -> list[Part]:
        parts: list[Part] = [] if self._trains_embeddings(stage) else ["embeddings"]
        parts += [i for i in range(self._anatomy.n_blocks) if i not in stage.trainable_blocks]
        return parts if stage.head else [*parts, "head"]
