"""Gradients of the task's loss with respect to the parameters of each block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from progsearch.contribution.fitting import only_trains
from progsearch.tasks.split import batch_units, is_per_token

T = TypeVar("T", bound=Tensor)
Blocks = Sequence[Sequence[nn.Parameter]]


def mean_gradients(
    model: nn.Module, blocks: Blocks, batches: Sequence[dict[str, Tensor]]
) -> list[list[Tensor]]:
    """The gradient of the mean loss over all examples: per block, one tensor per parameter."""
    means = [[torch.zeros_like(parameter) for parameter in block] for block in blocks]
    n_units = sum(map(batch_units, batches))
    for batch, grads in _gradients(model, blocks, batches):
        share = batch_units(batch) / n_units
        for grad, mean in zip(grads, _flat(means), strict=True):
            mean.add_(grad, alpha=share)
    return means


def mean_squared_gradients(
    model: nn.Module, blocks: Blocks, batches: Sequence[dict[str, Tensor]]
) -> list[list[Tensor]]:
    """The mean over examples of the elementwise square of each example's loss gradient.

    This is the diagonal of the empirical Fisher information: per block, one tensor per parameter.
    It takes one backward pass per example, since a batch only gives the mean of the gradients. An
    example whose targets are all left out of the loss has no gradient and does not count.
    """
    squares = [[torch.zeros_like(parameter) for parameter in block] for block in blocks]
    examples = [example for example in single_examples(batches) if batch_units(example)]
    share = 1 / len(examples)
    for _, grads in _gradients(model, blocks, examples):
        for grad, square in zip(grads, _flat(squares), strict=True):
            square.addcmul_(grad, grad, value=share)
    return squares


def _gradients(
    model: nn.Module, blocks: Blocks, batches: Iterable[dict[str, Tensor]]
) -> Iterator[tuple[dict[str, Tensor], tuple[Tensor, ...]]]:
    """Each batch with the gradient of its mean loss with respect to the blocks' parameters."""
    parameters = _flat(blocks)
    with only_trains(model, parameters):
        for batch in batches:
            loss = model(**batch).loss
            yield batch, torch.autograd.grad(loss, parameters, materialize_grads=True)


def _flat(blocks: Sequence[Sequence[T]]) -> list[T]:
    return [tensor for block in blocks for tensor in block]


def single_examples(batches: Sequence[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """The examples of right-padded ``batches`` one by one, without their padding."""
    for batch in batches:
        lengths = batch["attention_mask"].sum(-1).reshape(len(batch["input_ids"]), -1).amax(1)
        for row, length in enumerate(lengths.tolist()):
            yield {
                key: value[row : row + 1, ..., :length]
                if is_per_token(value, batch)
                else value[row : row + 1]
                for key, value in batch.items()
            }
