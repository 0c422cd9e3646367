"""Applies a stage to a model: what is trained and what is frozen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from torch import nn
from torch.optim import Optimizer

from progsearch.models.anatomy import Anatomy, Part
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Stage


class Freezer:
    """Freezes and thaws the parts of one model.

    A frozen part has no gradient, no optimizer state and no dropout. What lies between the
    embeddings and the blocks is frozen with the embeddings. The engine and the Trainer
    callback share this class, so that both mean the same by "frozen".
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
        """Start ``stage``: from now on its parts are trained and no others."""
        trained = self._trainable.names(stage)
        for name, parameter in self._parameters.items():
            parameter.requires_grad_(name in trained)
            if name not in trained:
                parameter.grad = None
                # Adam would keep two tensors of the parameter's size for nothing, and continue
                # from stale moments if it were thawed again.
                optimizer.state.pop(parameter, None)
        self._frozen_modules = [
            module
            for part in self._frozen_parts(stage)
            for module in self._anatomy.modules(self._model, part)
        ]
        self._frozen_holders = [] if self._trains_embeddings(stage) else self._holders
        self.set_modes()

    def set_modes(self) -> None:
        """Training mode except for the frozen parts; needed after each ``model.train()``."""
        self._model.train()
        self.freeze_modes()

    def freeze_modes(self) -> None:
        """Turn dropout off in the frozen parts of a model that is in training mode."""
        for module in self._frozen_modules:
            module.eval()
        # Between the embeddings and the blocks, what holds the blocks may call dropout as a
        # function (BioGPT, Starcoder2) or skip blocks at random. Its flag alone decides that.
        for holder in self._frozen_holders:
            holder.training = False

    def frozen_prefix(self, stage: Stage) -> int:
        """How many leading blocks are a constant function of the input in ``stage``."""
        trained = replace(stage, embeddings=self._trains_embeddings(stage))
        return trained.frozen_prefix(self._anatomy.n_blocks)

    def frozen_since(
        self, stage: Stage, spans: Iterable[tuple[int, int, Stage]], step: int
    ) -> int:
        """The step before ``step`` from which the frozen prefix of ``stage`` has been frozen.

        Args:
            stage: The one that begins at ``step``.
            spans: All stages of the run, as ``(first step, end step, stage)``.
            step: An optimizer step.
        """
        depth = self.frozen_prefix(stage)
        trained = [
            end for _, end, other in spans if end <= step and self.frozen_prefix(other) < depth
        ]
        return max(trained, default=0)

    def frozen_after_prefix(self, stage: Stage) -> str | None:
        """Which other blocks are frozen, and why their output changes all the same.

        Returns:
            Part of a sentence; None if there is no such block.
        """
        depth = self.frozen_prefix(stage)
        trained = stage.trainable_blocks
        frozen = [i for i in range(depth, self._anatomy.n_blocks) if i not in trained]
        if not frozen:
            return None
        below = "the embeddings" if self._trains_embeddings(stage) else f"block {trained[0]}"
        return f"frozen blocks {', '.join(map(str, frozen))}, whose input changes with {below}"

    def _trains_embeddings(self, stage: Stage) -> bool:
        # Embeddings of which the method trains nothing (LoRA) count as frozen.
        return stage.embeddings and bool(self._trainable.embeddings)

    def _frozen_parts(self, stage: Stage) -> list[Part]:
        parts: list[Part] = [] if self._trains_embeddings(stage) else ["embeddings"]
        parts += [i for i in range(self._anatomy.n_blocks) if i not in stage.trainable_blocks]
        return parts if stage.head else [*parts, "head"]
