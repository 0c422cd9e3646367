"""Groups examples into batches: by length, in an order fixed by the seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from progsearch.config import TrainingConfig
from progsearch.tasks import Split

Indices = npt.NDArray[np.int64]

# Examples are sorted by length within chunks of this many batches, as transformers' length-grouped
# sampler does: near-uniform batches, while the order stays close to random.
_BATCHES_PER_CHUNK = 50
# Tokens per batch of a pass without gradients. On a CPU, larger batches do not fit its cache; on
# a GPU, smaller ones leave it idle.
_TOKENS_ON_CPU = 2048
_TOKENS_ON_GPU = 16384


@dataclass(frozen=True)
class Batch:
    """The examples of one forward pass.

    Attributes:
        split: The split that they are from.
        indices: Their indices in the split.
        width: The number of tokens that they are padded to.
        cached: Whether cached results of earlier passes may replace a part of this one.
    """

    split: Split
    indices: Indices
    width: int
    cached: bool = True

    @classmethod
    def of(cls, split: Split, indices: Indices, *, cached: bool = True) -> Batch:
        """A batch padded to its longest example."""
        return cls(split, indices, int(split.lengths[indices].max()), cached)

    @property
    def tokens(self) -> int:
        """Number of tokens, including padding."""
        return len(self.indices) * self.split.n_choices * self.width

    @property
    def units(self) -> int:
        """Number of loss units: the loss of a batch is the mean over them."""
        return int(self.split.units[self.indices].sum())

    @property
    def is_padded(self) -> bool:
        """Whether at least one sequence is padded."""
        sequences = self.split.sequences(self.indices)
        return bool(self.split.sequence_lengths[sequences].min() < self.width)


class TrainingBatches:
    """The batches of each optimizer step of a run.

    Args:
        split: The training data.
        training: Batch size, gradient accumulation and seed.
        device: The model's device.
    """

    def __init__(self, split: Split, training: TrainingConfig, device: torch.device) -> None:
        self._split = split
        self._training = training
        # On a GPU, steps are recorded as CUDA graphs, one per width.
        self._has_few_widths = device.type == "cuda"

    def steps_of(self, epoch: int) -> list[list[Batch]]:
        """The batches of each step of an epoch (0-based)."""
        training = self._training
        batches = epoch_batches(self._split.lengths, training.batch_size, training.seed, epoch)
        return [
            [self._batch(indices) for indices in step]
            for step in optimizer_steps(batches, training.gradient_accumulation)
        ]

    def _batch(self, indices: Indices) -> Batch:
        batch = Batch.of(self._split, indices)
        if not self._has_few_widths:
            return batch
        width = common_width(batch.width, int(self._split.lengths.max()))
        return Batch(self._split, indices, width)


def shares(batches: list[Batch], rows: list[Tensor]) -> list[float | Tensor]:
    """The weight of the mean loss of each micro-batch in the loss of their optimizer step.

    The loss of a step is the mean over its units, however they are split into batches. Target
    tokens are counted on the device, so that a recorded step counts those of its own rows.

    Args:
        batches: Those of one step.
        rows: The example indices of each, on the device.
    """
    if len(batches) == 1:
        return [1.0]
    if not batches[0].split.per_token:
        units = [batch.units for batch in batches]
        return [count / sum(units) for count in units]
    found = zip(batches, rows, strict=True)
    counts = torch.stack([batch.split.units_of(indices) for batch, indices in found])
    return list(counts / counts.sum())


def epoch_batches(
    lengths: npt.NDArray[np.integer], batch_size: int, seed: int, epoch: int
) -> list[Indices]:
    """The batches of one epoch, in training order.

    Args:
        lengths: Number of tokens of each example, shape ``(n_examples,)``.
        batch_size: Number of examples per batch.
        seed: Seed of the run.
        epoch: 0-based; each epoch has its own order.

    Returns:
        Index arrays of ``batch_size`` examples; if one is smaller, it comes last.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    chunk = batch_size * _BATCHES_PER_CHUNK
    batches: list[Indices] = []
    for start in range(0, len(order), chunk):
        part = order[start : start + chunk]
        part = part[np.argsort(-lengths[part], kind="stable")]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    whole = [batch for batch in batches if len(batch) == batch_size]
    rest = [batch for batch in batches if len(batch) < batch_size]
    return [whole[i] for i in generator.permutation(len(whole))] + rest


def optimizer_steps(batches: list[Indices], gradient_accumulation: int) -> Iterator[list[Indices]]:
    """The batches grouped by optimizer step."""
    for start in range(0, len(batches), gradient_accumulation):
        yield batches[start : start + gradient_accumulation]


def common_width(longest: int, most: int) -> int:
    """The width to pad a batch to, rounded up so that there are few different widths.

    Args:
        longest: Number of tokens of the batch's longest example.
        most: Number of tokens of the split's longest example.

    Returns:
        ``longest`` rounded up to a multiple of 8, or of an eighth of the largest power of two
        below it if that is more; at most ``most``.
    """
    multiple = 1 << max(3, longest.bit_length() - 4)
    return min(-(-longest // multiple) * multiple, most)


def evaluation_batches(lengths: npt.NDArray[np.integer], device: torch.device) -> list[Indices]:
    """All examples once, for passes without gradients on ``device``.

    Examples are sorted by length, so that there is little padding. All batches hold about the
    same number of tokens, so that the fixed cost of a pass, such as casting the weights, is
    spread over many tokens even if the texts are short.
    """
    tokens = _TOKENS_ON_CPU if device.type == "cpu" else _TOKENS_ON_GPU
    order = np.argsort(-lengths, kind="stable")
    batches: list[Indices] = []
    start = 0
    while start < len(order):
        end = start + max(1, tokens // int(lengths[order[start]]))
        batches.append(order[start:end])
        start = end
    return batches
