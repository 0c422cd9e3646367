"""AdamW as the engine uses it: groups, weight decay, learning rate, clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from progsearch.config import TrainingConfig
from progsearch.internals.torch import divide_gradients
from progsearch.internals.transformers import decayed_parameters


class Optimizer:
    """AdamW with a learning rate that warms up and decays over the whole run.

    Args:
        model: The model, on the device where it is trained.
        training: Learning rate, warm-up, weight decay and maximum gradient norm.
        total_steps: Optimizer steps of the whole run.

    Attributes:
        adamw: torch's optimizer; it holds the parameters that are being trained.
    """

    def __init__(self, model: nn.Module, training: TrainingConfig, total_steps: int) -> None:
        self._training = training
        self._total_steps = total_steps
        self._warmup_steps = math.ceil(training.warmup_ratio * total_steps)
        self._decayed = decayed_parameters(model)
        groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
        for name, parameter in model.named_parameters():
            groups[name not in self._decayed].append(parameter)
        device = next(model.parameters()).device
        self._on_cpu = device.type == "cpu"
        on_gpu = device.type == "cuda"
        self.adamw = torch.optim.AdamW(
            [
                {"params": groups[0], "weight_decay": training.weight_decay},
                {"params": groups[1], "weight_decay": 0.0},
            ],
            # On a GPU the learning rate is a tensor, so that recorded steps can read it.
            lr=torch.zeros((), device=device) if on_gpu else 0.0,
            fused=True,
            capturable=on_gpu,
        )
        self._all = [list(group["params"]) for group in self.adamw.param_groups]

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
        if self._on_cpu:
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
        return [state["exp_avg"] / (1 - beta ** float(state["step"])) for state in states if state]

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
