"""The state needed to resume training, as named tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from progsearch.engine.optimizer import Optimizer

_WEIGHT = "weight"


def weight_key(name: str) -> str:
    """The key of a weight."""
    return f"{_WEIGHT}:{name}"


def take_weights(model: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """The weights of ``names`` by key (``weight:NAME``), not copied."""
    parameters = dict(model.named_parameters())
    return {weight_key(name): parameters[name].detach() for name in names}


def take_state(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Adam's state of every parameter by key, such as ``exp_avg:NAME``, not copied."""
    return {
        f"{key}:{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state_of(parameter).items()
    }


def put_state(model: nn.Module, optimizer: Optimizer, chain: Sequence[dict[str, Tensor]]) -> None:
    """Restore a state from `take_weights` and `take_state` in model and optimizer, in place.

    From `take_weights` alone only the model is restored, and it cannot be trained further.

    Args:
        model: The model.
        optimizer: The optimizer of its parameters.
        chain: The state to restore, then those at earlier steps, the latest first; together they
            hold every weight that was trained.
    """
    parameters = dict(model.named_parameters())
    states: dict[nn.Parameter, dict[str, Tensor]] = {}
    with torch.no_grad():
        for key, value in latest(chain).items():
            kind, _, name = key.partition(":")
            if kind == _WEIGHT:
                parameters[name].copy_(value)
            else:
                states.setdefault(parameters[name], {})[kind] = value
    optimizer.put_states(states)


def latest(chain: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """One state from those of a chain: the latest value of each weight, and the latest of Adam.

    Args:
        chain: As for `put_state`.
    """
    found: dict[str, Tensor] = {}
    for tensors in reversed(chain):
        found |= {k: value for k, value in tensors.items() if k.startswith(f"{_WEIGHT}:")}
    return found | chain[0]
