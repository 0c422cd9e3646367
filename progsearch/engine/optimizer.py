"""AdamW as the engine uses it: groups, weight decay, learning rate, clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from progsearch.config import TrainingConfig
from progsearch.internals.torch import divide_gradients
from progsearch.internals.transformers import decayed_parameters

# bitsandbytes: the numbers of a moment that share a scale, and the fewest that are quantised.
_BLOCK, _LEAST_IN_8_BITS = 256, 4096


class Optimizer:
    """AdamW with a learning rate that warms up and decays over the whole run.

    Args:
        model: The model, on the device where it is trained.
        training: Learning rate, warm-up, weight decay and maximum gradient norm.
        total_steps: Optimizer steps of the whole run.

    Attributes:
        adamw: torch's optimizer or, with moments in 8 bits, that of bitsandbytes; it holds the
            parameters that are being trained.
    """

    def __init__(self, model: nn.Module, training: TrainingConfig, total_steps: int) -> None:
        self._training = training
        self._total_steps = total_steps
        self._warmup_steps = math.ceil(training.warmup_ratio * total_steps)
        self._decayed = decayed_parameters(model)
        groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
        for name, parameter in model.named_parameters():
            groups[name not in self._decayed].append(parameter)
        self._device = next(model.parameters()).device
        self._in_8_bits = training.optimizer == "adamw-8bit"
        self._divides = self._device.type == "cpu" and not self._in_8_bits
        self.adamw = self._made(
            [
                {"params": groups[0], "weight_decay": training.weight_decay},
                {"params": groups[1], "weight_decay": 0.0},
            ],
            model,
        )
        self._all = [list(group["params"]) for group in self.adamw.param_groups]

    def _made(self, groups: list[dict[str, Any]], model: nn.Module) -> torch.optim.Optimizer:
        if self._in_8_bits:
            made: torch.optim.Optimizer = _bitsandbytes().SteadyAdamW8bit(
                groups, embedding_weights(model)
            )
            return made
        on_gpu = self._device.type == "cuda"
        return torch.optim.AdamW(
            groups,
            # On a GPU the learning rate is a tensor, so that recorded steps can read it.
            lr=torch.zeros((), device=self._device) if on_gpu else 0.0,
            fused=True,
            capturable=on_gpu,
        )

    def take_trainable(self) -> None:
        """From now on, update the parameters that currently require a gradient."""
        for group, parameters in zip(self.adamw.param_groups, self._all, strict=True):
            group["params"] = [p for p in parameters if p.requires_grad]

    def learning_rate(self, step: int) -> float:
        """Linear warm-up from 0, then linear decay to 0: transformers' ``linear`` schedule."""
        if step < self._warmup_steps:
            return self._training.learning_rate * (step / self._warmup_steps)
        left = (self._total_steps - step) / max(1, self._total_steps - self._warmup_steps)
        return self._training.learning_rate * left

    def set_learning_rate(self, step: int) -> None:
        """Set the learning rate of ``step``."""
        value = self.learning_rate(step)
        for group in self.adamw.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def clip(self) -> None:
        """Clip the gradients to the maximum norm; on a CPU the fused AdamW step does it."""
        parameters = self.in_training
        grads = [p.grad for p in parameters if p.grad is not None]
        norm, largest = get_total_norm(grads), self._training.max_grad_norm
        if self._divides:
            divide_gradients(self.adamw, (norm + 1e-6) / largest if norm > largest else None)
        else:
            clip_grads_with_norm_(parameters, largest, norm)

    def forget_gradients(self) -> None:
        """Drop all gradients and free their memory."""
        for parameter in self.in_training:
            parameter.grad = None

    def recent_gradients(self, parameters: Iterable[nn.Parameter]) -> list[Tensor] | None:
        """The mean gradient of each parameter over the last steps, in the parameter's shape.

        This is Adam's bias-corrected first moment (algorithm 1 in arXiv 1412.6980): the mean of
        clipped gradients, in which each has 0.9 times the weight of the next one.

        Returns:
            None if some of the parameters are not being trained.
        """
        beta = self.adamw.defaults["betas"][0]
        states = [self.adamw.state.get(parameter) for parameter in parameters]
        if not all(states):
            return None
        moment = _bitsandbytes().first_moment if self._in_8_bits else _first_moment
        return [moment(state) / (1 - beta ** float(state["step"])) for state in states if state]

    def state_of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Adam's state of a parameter, not copied; empty if it is not being trained."""
        state = self.adamw.state.get(parameter, {})
        return dict(_bitsandbytes().tensors_of(state) if self._in_8_bits else state)

    def put_states(self, states: Mapping[nn.Parameter, dict[str, Tensor]]) -> None:
        """Replace all state by what `state_of` gave, on any device."""
        self.adamw.state.clear()
        for parameter, tensors in states.items():
            if self._in_8_bits:
                state = _bitsandbytes().state_from(tensors, self._device)
            else:
                state = {kind: value.to(self._device) for kind, value in tensors.items()}
            self.adamw.state[parameter] = state

    def decay(self, name: str, steps: Iterable[int]) -> float:
        """The factor by which weight decay alone scales a parameter over ``steps``.

        Args:
            name: The parameter's name.
            steps: The steps in which it is trained.
        """
        weight_decay = self._training.weight_decay if name in self._decayed else 0.0
        factor = 1.0
        for step in steps:
            factor *= 1 - self.learning_rate(step) * weight_decay
        return factor

    @property
    def in_training(self) -> list[nn.Parameter]:
        """The parameters that are being trained, in an order that depends on the model alone."""
        return [p for group in self.adamw.param_groups for p in group["params"]]


def embedding_weights(model: nn.Module) -> list[nn.Parameter]:
    """The tables whose moments stay in 32 bits, as the authors of the 8-bit optimizer advise.

    Their gradients are uneven (section 2.3 in arXiv 2110.02861). ``transformers.Trainer`` makes
    the same exception.
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    return [parameter for parameter in model.parameters() if id(parameter) in tables]


def moment_bytes(parameter: nn.Parameter, *, in_8_bits: bool) -> int:
    """The bytes of Adam's two moments of a parameter in fp32.

    Args:
        parameter: The parameter.
        in_8_bits: Whether it is one that `TrainingConfig.optimizer` holds in 8 bits.
    """
    numbers = parameter.numel()
    if not in_8_bits or numbers < _LEAST_IN_8_BITS:
        return 2 * 4 * numbers
    return 2 * (numbers + 4 * math.ceil(numbers / _BLOCK))


def _first_moment(state: Mapping[str, Any]) -> Tensor:
    moment: Tensor = state["exp_avg"]
    return moment


def _bitsandbytes() -> Any:
    # Imported on first use: it takes a second.
    from progsearch.internals import bitsandbytes

    return bitsandbytes
