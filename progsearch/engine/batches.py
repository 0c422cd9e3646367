"""Groups examples into batches: by length, in an order fixed by the seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

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
        share: The weight of its mean loss in the loss of its optimizer step, if other processes
            compute other rows of the step; None: it follows from the batches of the step.
    """

    split: Split
    indices: Indices
    width: int
    cached: bool = True
    share: float | None = None

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
        rank: Which of the processes this is that share each batch.
        size: Their number.
    """

    def __init__(
        self,
        split: Split,
        training: TrainingConfig,
        device: torch.device,
        rank: int = 0,
        size: int = 1,
    ) -> None:
        self._split = split
        self._training = training
        self._rank = rank
        self._size = size
        # On a GPU, steps are recorded as CUDA graphs, one per width.
        self._has_few_widths = device.type == "cuda"

    def steps_of(self, epoch: int) -> list[list[Batch]]:
        """The batches of each step of an epoch (0-based), of which this process has its rows."""
        training = self._training
        batches = epoch_batches(self._split.lengths, training.batch_size, training.seed, epoch)
        steps = [
            [self._batch(indices) for indices in step]
            for step in optimizer_steps(batches, training.gradient_accumulation)
        ]
        if self._size == 1:
            return steps
        return [part_of_step(step, self._rank, self._size) for step in steps]

    def _batch(self, indices: Indices) -> Batch:
        batch = Batch.of(self._split, indices)
        if not self._has_few_widths:
            return batch
        width = common_width(batch.width, int(self._split.lengths.max()))
        return Batch(self._split, indices, width)


def part_of_step(batches: list[Batch], rank: int, size: int) -> list[Batch]:
    """The rows of a step that one of ``size`` processes computes: each ``size``-th of each batch.

    They are padded to the width of the whole batch. The shares of all processes' batches add up
    to one. A process without a target in a batch computes a row of another one with share 0, so
    that the same parameters have a gradient in all processes.
    """
    total = sum(batch.units for batch in batches)
    parts = []
    for batch in batches:
        own = replace(batch, indices=np.ascontiguousarray(batch.indices[rank::size]))
        if own.units:
            parts.append(replace(own, share=own.units / total))
            continue
        counted = batch.indices[batch.split.units[batch.indices] > 0]
        # Without any target the loss is not a number, as it is in one process.
        other = counted[:1] if len(counted) else batch.indices
        parts.append(replace(batch, indices=other, share=0.0))
    return parts


def shares(batches: list[Batch], rows: list[Tensor]) -> list[float | Tensor]:
    """The weight of the mean loss of each micro-batch in the loss of their optimizer step.

    The loss of a step is the mean over its units, however they are split into batches. Target
    tokens are counted on the device, so that a recorded step counts those of its own rows.

    Args:
        batches: Those of one step.
        rows: The example indices of each, on the device.
    """
    given = [batch.share for batch in batches if batch.share is not None]
    if given:
        return [*given]
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
