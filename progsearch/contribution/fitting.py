"""Short training of some parameters, for contribution metrics that measure its effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_MAX_GRAD_NORM = 1.0


@contextmanager
def only_trains(model: nn.Module, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """While active, only ``parameters`` require gradients, and dropout is off."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    model.eval().requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        for module, mode in modes:
            module.training = mode


def fit(
    model: nn.Module,
    parameters: Sequence[nn.Parameter],
    batches: Sequence[dict[str, Tensor]],
    *,
    learning_rate: float,
    passes: int = 1,
) -> None:
    """Train ``parameters`` in place, one AdamW step per batch, without dropout or weight decay.

    Args:
        model: The model; its output has a ``loss``.
        parameters: The parameters to train; all others are frozen. Flags and mode are restored.
        batches: The training data, in order.
        learning_rate: Constant over the steps.
        passes: Number of passes over ``batches``.
    """
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    with only_trains(model, parameters):
        optimizer.zero_grad()
        for _ in range(passes):
            for batch in batches:
                model(**batch).loss.backward()
                nn.utils.clip_grad_norm_(parameters, _MAX_GRAD_NORM)
                optimizer.step()
                optimizer.zero_grad()
