"""Which examples form which batch: grouped by length, fixed by the seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

Indices = npt.NDArray[np.int64]

# Examples are sorted by length within chunks of this many batches, as transformers' length-grouped
# sampler does: near-uniform batches, while the order stays close to random.
_BATCHES_PER_CHUNK = 50
# Tokens of a batch that needs no gradients. On a CPU more of them leave its cache; a GPU takes all
# that make it worth starting.
_TOKENS_ON_CPU = 2048
_TOKENS_ON_GPU = 16384


def epoch_batches(
    lengths: npt.NDArray[np.integer], batch_size: int, seed: int, epoch: int
) -> list[Indices]:
    """The batches of one epoch, in training order.

    Args:
        lengths: Tokens of each example, shape ``(n_examples,)``.
        batch_size: Examples of a batch.
        seed: Seed of the run.
        epoch: 0-based; each epoch has an order of its own.

    Returns:
        Index arrays of ``batch_size`` examples; the only smaller one comes last.
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
    """The batches grouped by the optimizer step that they make together."""
    for start in range(0, len(batches), gradient_accumulation):
        yield batches[start : start + gradient_accumulation]


def common_width(longest: int, most: int) -> int:
    """To how many tokens a batch is padded so that few widths come up.

    Args:
        longest: Tokens of the batch's longest example.
        most: Tokens of the longest example of all.

    Returns:
        A multiple of 8, or of an eighth of the power of two below where that is more; at most
        ``most``.
    """
    multiple = 1 << max(3, longest.bit_length() - 4)
    return min(-(-longest // multiple) * multiple, most)


def evaluation_batches(lengths: npt.NDArray[np.integer], device: torch.device) -> list[Indices]:
    """All examples once, for passes without gradients on ``device``.

    Sorted by length, so that little is padding. However long the texts are, a batch holds about
    as many tokens: what a pass takes for few and for many of them, such as casting the weights,
    is then spread over many.
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
