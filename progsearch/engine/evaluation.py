"""Passes without gradients over all examples of a split."""

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


@torch.no_grad()
def outputs(
    split: Split,
    forward: Callable[[Batch, Tensor], Any],
    keep: Callable[[Any], Tensor],
    *,
    device: torch.device,
    precision: Precision,
    cached: bool,
) -> Tensor:
    """What is kept of the model's output on ``split``, on the CPU.

    Args:
        split: The examples.
        forward: Makes the pass of a batch, given the numbers of its examples on the device.
        keep: What is kept of an output, reduced on the device: shape ``(rows, ...)``, or
            ``(rows, width, ...)`` if the split's targets are per token.
        device: Where the model is.
        precision: Of the passes.
        cached: Whether what was kept of earlier passes may stand in for a part of these.

    Returns:
        In the split's order; shape ``(n_examples, ...)``, or ``(sum of lengths, ...)`` without
        padding if the split's targets are per token.
    """
    batches = evaluation_batches(split.lengths, device)
    kept: list[Tensor] = []
    # Around all batches: what it has cast of the trained weights serves them all.
    with autocast(precision, device):
        for indices in batches:
            rows = torch.from_numpy(indices).to(device, non_blocking=True)
            found = keep(forward(Batch.of(split, indices, cached=cached), rows))
            packed = _without_padding(found, split.lengths[indices]) if split.per_token else found
            kept.append(packed)
    return in_split_order(kept, batches, split.lengths, per_token=split.per_token)


def in_split_order(
    kept: Sequence[Tensor],
    batches: Sequence[Indices],
    lengths: npt.NDArray[np.integer],
    *,
    per_token: bool,
) -> Tensor:
    """Outputs of all batches as those of the split, on the CPU.

    Args:
        kept: Per batch, one row per example, or per token of its examples without padding.
        batches: Which examples the batches hold; together each example once.
        lengths: Tokens of each example.
        per_token: Whether a row is a token's, not an example's.
    """
    order = np.concatenate(batches)
    if per_token:
        starts = np.cumsum(lengths) - lengths
        order = np.concatenate([np.arange(starts[i], starts[i] + lengths[i]) for i in order])
    # Taken off the device once: each time, the process waits for it.
    as_passed = torch.cat(list(kept)).cpu()
    in_order = torch.empty_like(as_passed)
    in_order[torch.as_tensor(order)] = as_passed
    return in_order


def _without_padding(output: Tensor, lengths: npt.NDArray[np.integer]) -> Tensor:
    """The rows of real tokens of ``output``, shape ``(rows, width, ...)``, example by example."""
    width = output.shape[1]
    places = np.concatenate([np.arange(n) + row * width for row, n in enumerate(lengths)])
    return output.flatten(0, 1)[torch.from_numpy(places).to(output.device, non_blocking=True)]
