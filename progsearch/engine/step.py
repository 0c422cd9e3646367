"""One optimizer step: the gradients of its batches, and the update of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from progsearch.config import Precision
from progsearch.engine.batches import Batch, shares
from progsearch.engine.memory import PeakMemory
from progsearch.engine.optimizer import Optimizer
from progsearch.engine.precision import autocast
from progsearch.engine.ranks import Alone

Forward = Callable[[Batch, Tensor], Any]


class Step:
    """Makes optimizer steps.

    Args:
        optimizer: Updates the weights.
        precision: The resolved precision of the passes.
        memory: Sampled where memory peaks.
        ranks: The processes that make each step together.
        device: The model's device.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        precision: Precision,
        memory: PeakMemory,
        ranks: Alone,
        device: torch.device,
    ) -> None:
        self._optimizer = optimizer
        self._precision = precision
        self._memory = memory
        self._ranks = ranks
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._loss_sum = torch.zeros((), device=device)

    @property
    def is_finite(self) -> bool:
        """Whether the losses of all steps so far are finite; waits for the device."""
        return bool(torch.isfinite(self._loss_sum))

    def make(self, forward: Forward, batches: list[Batch], rows: list[Tensor]) -> None:
        """The device's work of one step; nothing here waits for the device.

        Args:
            forward: Runs the forward pass of a batch, given its example indices on the device.
            batches: Those of the step.
            rows: The example indices of each, on the device.
        """
        # A recording that failed midway may have left gradients.
        self._optimizer.forget_gradients()
        self._ranks.attempt(self._add_gradients, forward, batches, rows)
        self._ranks.sum_gradients(self._optimizer.in_training)
        self._ranks.attempt(self._update)
        # Free their memory for the activations of the next step.
        self._optimizer.forget_gradients()

    def _add_gradients(self, forward: Forward, batches: list[Batch], rows: list[Tensor]) -> None:
        self._memory.begin_step(max(batch.tokens for batch in batches))
        weights = shares(batches, rows)
        for batch, rows_of_batch, weight in zip(batches, rows, weights, strict=True):
            with autocast(self._precision, self._device):
                loss = forward(batch, rows_of_batch).loss
            # Activations peak here, gradients after the backward pass.
            self._memory.sample()
            part = loss if len(batches) == 1 and batch.share is None else loss * weight
            self._scaler.scale(part).backward()
            self._loss_sum += loss.detach()
        self._memory.sample()

    def _update(self) -> None:
        self._scaler.unscale_(self._optimizer.adamw)
        self._optimizer.clip()
        self._scaler.step(self._optimizer.adamw)
        self._scaler.update()
