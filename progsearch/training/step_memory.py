"""Measures the memory that each part of a model takes in a training step.

A few passes over two and three examples, on the CPU, give what grows with the examples and what
does not. Bytes are counted as tensors are made and freed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from progsearch.config import Precision, TrainingConfig
from progsearch.costs.memory import Bytes, ModelMemory, PartMemory
from progsearch.engine.batches import Batch, evaluation_batches
from progsearch.engine.frozen_weights import FrozenWeights, held_bytes, held_weights
from progsearch.engine.optimizer import embedding_weights, moment_bytes
from progsearch.engine.precision import DTYPES
from progsearch.engine.shortcuts.base import Shortcut, Shortcuts
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.occurring_rows import OccurringRows
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.models.anatomy import Anatomy, Part
from progsearch.models.trainable import TrainableParameters
from progsearch.tasks import Split
from progsearch.training.measured_pass import Kind, MeasuredPass, size_of

# Two numbers of examples, as a line needs two points; with one there is no padding.
_FEW, _MORE = 2, 3
# Bytes of a number that is trained.
_FP32 = 4
# The tensors in fp32 that an update of bitsandbytes on a CPU makes at once: gradient, both
# moments, the root of the second and the divisor.
_COPIES = 5


def measured_rows(split: Split) -> list[int]:
    """The examples of the passes: the longest one, and others as long as those of its batch."""
    order = np.argsort(-split.lengths, kind="stable")
    others = order[min(len(order) - 1, TrainingConfig().batch_size - 1)]
    return [int(order[0]), *[int(others)] * (_MORE - 1)]


def most_rows(splits: Sequence[Split]) -> int:
    """The examples of the largest split."""
    return max(map(len, splits))


def measure_memory(
    model: PreTrainedModel,
    anatomy: Anatomy,
    trainable: TrainableParameters,
    splits: Sequence[Split],
    training: TrainingConfig,
    precision: Precision,
    *,
    device: torch.device,
    left_out: Collection[type[Shortcut]] = (),
) -> ModelMemory:
    """The memory of each part of ``model``, which is changed.

    Args:
        model: The model on the CPU with its method applied.
        anatomy: Its parts.
        trainable: The parameters that the method trains.
        splits: All examples that the model will see, the training data first.
        training: Says how frozen weights and Adam's moments are held.
        precision: The resolved precision of the training.
        device: Where runs train.
        left_out: Shortcuts that runs do not use.
    """
    split = splits[0]
    sizes = _Sizes(model, anatomy, trainable, training, precision)
    everything = {name for part in sizes.names.values() for name in part}
    shortcuts = Shortcuts(
        usual_shortcuts(
            model,
            anatomy,
            precision,
            trained=everything,
            splits=splits,
            left_out=left_out,
            only=(OccurringRows, HeadToken),
        )
    )
    tables = [s for s in shortcuts.all if isinstance(s, OccurringRows)]
    narrows = any(isinstance(s, HeadToken) and s.narrows for s in shortcuts.all)
    held = FrozenWeights(model, anatomy, training.frozen_dtype, precision)
    passes = {}
    kinds: dict[Kind, Collection[str]] = {
        "trained": everything,
        "lowest": everything,
        "through": sizes.names["head"],
        "passed": (),
    }
    for kind, names in kinds.items():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in names)
        held.hold(split)
        for rows in (_FEW, _MORE):
            batch = Batch.of(split, np.array(measured_rows(split)[:rows]))
            passes[kind, rows] = MeasuredPass(model, anatomy, batch, shortcuts, precision, kind)
    parameters = dict(model.named_parameters())
    moments = _Moments(model, training, device)
    width = int(split.lengths.max())
    return ModelMemory(
        parts=tuple(
            PartMemory(
                weights=sizes.weights[part] - sizes.spared(part, trained=True),
                weights_frozen=sizes.weights[part] - sizes.spared(part, trained=False),
                trained=sum(_FP32 * parameters[name].numel() for name in names),
                moments=sum(moments.held(parameters[name]) for name in names),
                update=max((moments.update(parameters[name]) for name in names), default=0),
                copied=sizes.copied(part),
                kept=_line(passes, "trained", "kept", part),
                kept_lowest=_line(passes, "lowest", "kept", part),
                kept_through=_line(passes, "through", "kept", part),
                # Gradients of blocks are counted by themselves; those of the other two parts are
                # as large as what is needed to compute them.
                backward=_line(
                    passes, "trained" if part == "embeddings" else "through", "backward", part
                ),
                forward=_line(passes, "passed", "forward", part),
                output=_line(passes, "passed", "output", part),
            )
            for part, names in sizes.names.items()
        ),
        reduced_table=sum(size_of(parameters[table.name]) for table in tables),
        checkpointed=anatomy.n_blocks - narrows,
        pass_rows=len(evaluation_batches(np.full(most_rows(splits), width), device)[0]),
    )


class _Sizes:
    """The sizes of a model's parts in bytes, before shortcuts change them.

    Attributes:
        names: Names of the parameters of each part that the method trains.
        weights: Of all weights of each part.
    """

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        trainable: TrainableParameters,
        training: TrainingConfig,
        precision: Precision,
    ) -> None:
        self.names: dict[Part, tuple[str, ...]] = {
            "embeddings": trainable.embeddings,
            **dict(enumerate(trainable.blocks)),
            "head": trainable.head,
        }
        self.weights = {
            part: sum(size_of(p) for _, p in anatomy.parameters(model, part))
            for part in self.names
        }
        self.weights["embeddings"] += sum(map(size_of, model.buffers()))
        self._spared = {
            name: size_of(weight) - held_bytes(weight.numel(), training.frozen_dtype, precision)
            for name, weight in held_weights(model, anatomy).items()
        }
        self._anatomy = anatomy
        of_product = {
            id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Linear | Conv1D)
        }
        itemsize = DTYPES[precision].itemsize if precision in DTYPES else 0
        self._copied = {
            name: itemsize * p.numel()
            for name, p in model.named_parameters()
            if id(p) in of_product
        }

    def copied(self, part: Part) -> int:
        """The copies of its trained weights that autocast makes."""
        return sum(self._copied.get(name, 0) for name in self.names[part])

    def spared(self, part: Part, *, trained: bool) -> int:
        """What is spared by holding weights in fewer bits, while the part is trained or frozen."""
        left = {*self.names[part]} if trained else set()
        return sum(
            size
            for name, size in self._spared.items()
            if self._anatomy.part_of(name) == part and name not in left
        )


class _Moments:
    """The sizes in bytes of Adam's moments and of what an update needs beside them."""

    def __init__(self, model: nn.Module, training: TrainingConfig, device: torch.device) -> None:
        self._in_8_bits = training.optimizer == "adamw-8bit"
        self._exact = set(map(id, embedding_weights(model)))
        # Kernels of a GPU make no copies.
        self._copies = self._in_8_bits and device.type == "cpu"

    def held(self, parameter: nn.Parameter) -> int:
        """The moments of a parameter."""
        return moment_bytes(
            parameter, in_8_bits=self._in_8_bits and id(parameter) not in self._exact
        )

    def update(self, parameter: nn.Parameter) -> int:
        """What its update needs: bitsandbytes computes with whole tensors in fp32 on a CPU."""
        return self._copies * _COPIES * _FP32 * parameter.numel()


def _line(passes: dict[Any, MeasuredPass], kind: Kind, what: str, part: Part) -> Bytes:
    few, more = (getattr(passes[kind, rows], what).get(part, 0) for rows in (_FEW, _MORE))
    per_row = (more - few) / (_MORE - _FEW)
    return Bytes(few - per_row * _FEW, per_row)
