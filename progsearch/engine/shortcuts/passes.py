"""Runs a sample of rows with or without shortcuts, to compare the results."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from progsearch.engine.batches import Batch, Indices
from progsearch.engine.freezer import Freezer
from progsearch.engine.shortcuts.base import Shortcut, Shortcuts, StageStart
from progsearch.engine.shortcuts.head_token import pad_id_of
from progsearch.engine.shortcuts.occurring_rows import OccurringRows
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps
from progsearch.engine.shortcuts.sample import longest_row, short_rows
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.models.anatomy import Anatomy, evaluating
from progsearch.models.blocks import hidden_output
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Stage
from progsearch.tasks import Split
from progsearch.tasks.split import joined
from progsearch.tasks.types.base import Keep

# Gradients are compared relative to the largest of their parameter, or to this share of the
# largest of all if that is more: some are zero up to rounding, such as those of key biases.
_LEAST_SCALE = 1e-2


@dataclass(frozen=True)
class Passed:
    """The results of a batch in a stage.

    Attributes:
        outputs: The kept part of the output, one tensor per row, without padding.
        gradients: The gradients of the loss, by parameter name.
    """

    outputs: list[Tensor]
    gradients: dict[str, Tensor]


class Passes:
    """A model and a sample of its data that covers all shapes.

    Args:
        model: In fp32 and evaluation mode, on its device. Its flags are changed.
        anatomy: Its parts.
        trainable: The parameters that its method trains.
        split: The data.
        keep: The part of an output to compare; see `TaskType.keep`.

    Attributes:
        short: Short rows as one batch, padded.
        single: Each of the short rows as a batch without padding.
        long: The longest row of the data, without padding.
        wide: The first short row, padded to the longest one.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        anatomy: Anatomy,
        trainable: TrainableParameters,
        split: Split,
        keep: Keep,
    ) -> None:
        self._model = model
        self._anatomy = anatomy
        self._trainable = trainable
        self._keep = keep
        self._freezer = Freezer(model, anatomy, trainable)
        self._device = next(model.parameters()).device
        short = short_rows(split, pad_id_of(model))
        self._sample = joined([short, longest_row(split)])
        rows = np.arange(len(self._sample))
        self.short = self._batch(rows[:-1])
        self.single = [self._batch(rows[row : row + 1]) for row in rows[:-1]]
        self.long = self._batch(rows[-1:])
        self.wide = Batch(self._sample, rows[:1], self.long.width)

    def outputs(self, batch: Batch) -> list[Tensor]:
        """The outputs of the plain forward pass for each row of a batch."""
        with torch.no_grad():
            return self._rows(self._model(**self._inputs(batch)), batch)

    def passed(
        self,
        stages: Sequence[Stage],
        batches: Sequence[Batch],
        kinds: Collection[type[Shortcut]] = (),
    ) -> list[Passed]:
        """The results of each batch in each stage, with only the given kinds of shortcuts."""
        shortcuts = Shortcuts(
            usual_shortcuts(
                self._model,
                self._anatomy,
                "fp32",
                trained=self._trainable.names(*stages),
                splits=[self._sample],
                only=kinds,
            )
        )
        try:
            return [
                passed for stage in stages for passed in self._passed_in(stage, batches, shortcuts)
            ]
        finally:
            self._model.zero_grad()
            shortcuts.finish(lambda name: 1.0)

    def _passed_in(
        self, stage: Stage, batches: Sequence[Batch], shortcuts: Shortcuts
    ) -> Iterator[Passed]:
        names = self._trainable.names(stage)
        for name, parameter in self._model.named_parameters():
            parameter.requires_grad_(name in names)
        shortcuts.enter_stage(StageStart(0, 1, 0, self._freezer.frozen_prefix(stage), 0, None))
        for batch in batches:
            # Prepare each batch separately: the long one would widen the others.
            shortcuts.prepare(
                self._sample,
                batch.indices,
                lambda part: self._forward(part, self._rows_of(part), shortcuts),
            )
        for batch in batches:
            yield self._step(batch, shortcuts)

    def _step(self, batch: Batch, shortcuts: Shortcuts) -> Passed:
        """The results of a batch, by a recorded step if there is one.

        It is recorded with the rows in another order, and replayed with those of the batch.
        """
        outputs: list[Any] = []

        def update(batches: list[Batch], rows: list[Tensor]) -> None:
            self._model.zero_grad()
            outputs[:] = [self._forward(batches[0], rows[0], shortcuts)]
            if outputs[0].loss.requires_grad:
                outputs[0].loss.backward()

        def make(made: Batch) -> None:
            rows = [torch.from_numpy(made.indices)]
            step = shortcuts.step([made], rows, update)
            if step is None:
                update([made], [row.to(self._device) for row in rows])
            else:
                step()

        if any(isinstance(shortcut, RecordedSteps) for shortcut in shortcuts.all):
            other = Batch(batch.split, batch.indices[::-1].copy(), batch.width)
            # The first step of a stage is not recorded.
            make(batch)
            make(other)
        make(batch)
        return Passed(self._rows(outputs[0], batch), self._gradients(shortcuts))

    def frozen_states(self, stage: Stage, *, training: bool) -> Tensor:
        """The output of the last block while it is frozen in ``stage``.

        Args:
            stage: A stage that trains only the head.
            training: Whether to run as in training, where dropout may be active.
        """
        states: list[Tensor] = []
        block = self._model.get_submodule(self._anatomy.blocks[-1])
        hook = block.register_forward_hook(lambda *given: states.append(hidden_output(given[2])))
        try:
            with torch.no_grad(), evaluating(self._model):
                if training:
                    self._freezer.enter(stage, torch.optim.SGD(self._model.parameters()))
                self._model(**self._inputs(self.short))
        finally:
            hook.remove()
        return states[0]

    def _batch(self, indices: Indices) -> Batch:
        return Batch.of(self._sample, indices)

    def _inputs(self, batch: Batch) -> dict[str, Tensor]:
        return self._sample.gather(self._rows_of(batch), batch.width)

    def _rows_of(self, batch: Batch) -> Tensor:
        return torch.from_numpy(batch.indices).to(self._device)

    def _forward(self, batch: Batch, rows: Tensor, shortcuts: Shortcuts) -> Any:
        inputs = self._sample.gather(rows, batch.width)
        with shortcuts.around(batch, rows, inputs):
            return self._model(**inputs)

    def _rows(self, output: Any, batch: Batch) -> list[Tensor]:
        # Copies, since the next recorded step writes to the same memory.
        kept = self._keep(output, self._inputs(batch)).detach().clone()
        lengths = self._sample.lengths[batch.indices]
        if not self._sample.keeps_tokens:
            return list(kept)
        return [row[:length] for row, length in zip(kept, lengths, strict=True)]

    def _gradients(self, shortcuts: Shortcuts) -> dict[str, Tensor]:
        found = {
            name: parameter.grad.clone()
            for name, parameter in self._model.named_parameters()
            if parameter.grad is not None
        }
        for shortcut in shortcuts.all:
            if isinstance(shortcut, OccurringRows) and shortcut.name in found:
                found[shortcut.name] = shortcut.of_all_rows(found[shortcut.name])
        return found


def difference(found: Sequence[Passed], expected: Sequence[Passed]) -> tuple[float, float]:
    """The largest differences of outputs and of gradients.

    Outputs are relative to the largest of all, gradients to the largest of their parameter.
    Infinite if a value is NaN, has another shape or is missing on one side.
    """
    scale = largest(row for passed in expected for row in passed.outputs)
    outputs = gradients = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        outputs = max(outputs, row_difference(ours.outputs, theirs.outputs, scale))
        gradients = max(gradients, _gradient_difference(ours.gradients, theirs.gradients))
    return outputs, gradients


def largest(tensors: Iterable[Tensor]) -> float:
    """The largest absolute value; NaN if any value is NaN."""
    values = [tensor.abs().max() for tensor in tensors]
    return float(torch.stack(values).max()) if values else 0.0


def row_difference(found: Sequence[Tensor], expected: Sequence[Tensor], scale: float) -> float:
    """The largest difference of outputs, relative to ``scale``; infinite if one is NaN."""
    pairs = zip(found, expected, strict=True)
    return max(_difference(ours, theirs, scale) for ours, theirs in pairs)


def _gradient_difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    if ours.keys() != theirs.keys():
        return math.inf
    least = _LEAST_SCALE * largest(theirs.values())
    return max(
        (
            _difference(ours[name], gradient, max(float(gradient.abs().max()), least))
            for name, gradient in theirs.items()
        ),
        default=0.0,
    )


def _difference(found: Tensor, expected: Tensor, scale: float) -> float:
    if found.shape != expected.shape:
        return math.inf
    most = float((found - expected).abs().max())
    if math.isnan(most):
        return math.inf
    return most / max(scale, torch.finfo(torch.float32).tiny)
