"""Collects a model's outputs on a split, without gradients; the task type computes the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from progsearch.config import Precision
from progsearch.engine.batches import Batch, Indices, evaluation_batches
from progsearch.engine.precision import autocast
from progsearch.tasks import Split
from progsearch.tasks.types.base import Keep


@torch.no_grad()
def outputs(
    split: Split,
    forward: Callable[[Batch, Tensor], Any],
    keep: Keep,
    *,
    device: torch.device,
    precision: Precision,
    cached: bool,
) -> Tensor:
    """The kept part of the model's output on ``split``, on the CPU.

    Args:
        split: The examples.
        forward: Runs the forward pass of a batch, given its example indices on the device.
        keep: Returns the part of an output to keep, given the output and the batch with its
            targets, reduced on the device: shape ``(rows, ...)``, or ``(rows, width, ...)`` if
            `Split.keeps_tokens`.
        device: The model's device.
        precision: Precision of the passes.
        cached: Whether cached results of earlier passes may replace a part of these.

    Returns:
        In the split's order; shape ``(n_examples, ...)``, or ``(sum of lengths, ...)`` without
        padding if `Split.keeps_tokens`.
    """
    batches = evaluation_batches(split.lengths * split.n_choices, device)
    kept: list[Tensor] = []
    # One context for all batches: autocast then casts the trained weights only once.
    with autocast(precision, device):
        for indices in batches:
            rows = torch.from_numpy(indices).to(device, non_blocking=True)
            batch = Batch.of(split, indices, cached=cached)
            found = keep(forward(batch, rows), split.gather(rows, batch.width))
            if split.keeps_tokens:
                found = _without_padding(found, split.lengths[indices])
            kept.append(found)
    return in_split_order(kept, batches, split.lengths, per_token=split.keeps_tokens)


def in_split_order(
    kept: Sequence[Tensor],
    batches: Sequence[Indices],
    lengths: npt.NDArray[np.integer],
    *,
    per_token: bool,
) -> Tensor:
    """The outputs of all batches in the split's order, on the CPU.

    Args:
        kept: Per batch, one row per example, or one per token of its examples without padding.
        batches: The indices of the examples in each batch; together each example once.
        lengths: Number of tokens of each example.
        per_token: Whether there is one row per token instead of per example.
    """
    order = np.concatenate(batches)
    if per_token:
        starts = np.cumsum(lengths) - lengths
        order = np.concatenate([np.arange(starts[i], starts[i] + lengths[i]) for i in order])
    # One copy for all batches: each copy from the device makes the process wait.
    as_passed = torch.cat(list(kept)).cpu()
    in_order = torch.empty_like(as_passed)
    in_order[torch.as_tensor(order)] = as_passed
    return in_order


def _without_padding(output: Tensor, lengths: npt.NDArray[np.integer]) -> Tensor:
    """The rows of ``output`` that are not padding; ``output`` has shape ``(rows, width, ...)``."""
    width = output.shape[1]
    places = np.concatenate([np.arange(n) + row * width for row, n in enumerate(lengths)])
    return output.flatten(0, 1)[torch.from_numpy(places).to(output.device, non_blocking=True)]
