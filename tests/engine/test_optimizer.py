import copy

import pytest
import torch
from torch import nn

from progsearch.config import TrainingConfig
from progsearch.engine.optimizer import Optimizer
from tests.support.runs import DEVICE


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.dense = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)


def made(**training):
    model = Tiny().to(DEVICE)
    return model, Optimizer(model, TrainingConfig(**{"learning_rate": 0.1} | training), 10)


def test_biases_and_norms_do_not_decay():
    model, optimizer = made(weight_decay=0.5)
    decayed, others = optimizer.adamw.param_groups
    assert decayed["params"] == [model.dense.weight] and decayed["weight_decay"] == 0.5
    assert len(others["params"]) == 3 and others["weight_decay"] == 0


def test_decay_is_that_of_the_steps_in_which_a_parameter_is_trained():
    model, optimizer = made(weight_decay=0.5, warmup_ratio=0.0)
    before = model.dense.weight.detach().clone()
    for step in range(3):
        optimizer.set_learning_rate(step)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.adamw.step()
    torch.testing.assert_close(
        model.dense.weight, before * optimizer.decay("dense.weight", [0, 1, 2])
    )
    assert optimizer.decay("dense.bias", [0, 1, 2]) == 1


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_gradients_are_clipped_as_torch_does(factor):
    model, optimizer = made(max_grad_norm=1.0)
    other, plain = copy.deepcopy(model), None
    plain = torch.optim.AdamW(other.parameters(), lr=0.1, weight_decay=0.0)
    optimizer.set_learning_rate(1)
    for group in optimizer.adamw.param_groups:
        group["weight_decay"] = 0.0
        if not isinstance(group["lr"], torch.Tensor):
            group["lr"] = 0.1
        else:
            group["lr"].fill_(0.1)
    for step in range(3):
        for one, two in zip(model.parameters(), other.parameters(), strict=True):
            one.grad = torch.full_like(one, factor * (step + 1))
            two.grad = one.grad.clone()
        optimizer.clip()
        optimizer.adamw.step()
        nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        plain.step()
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_only_what_requires_a_gradient_is_updated():
    model, optimizer = made()
    model.norm.requires_grad_(False)
    optimizer.take_trainable()
    held = [p for group in optimizer.adamw.param_groups for p in group["params"]]
    assert set(held) == set(model.dense.parameters())
    model.requires_grad_(True)
    optimizer.take_trainable()
    held = [p for group in optimizer.adamw.param_groups for p in group["params"]]
    assert set(held) == set(model.parameters())


def test_recent_gradients_are_those_of_parameters_in_training_alone():
    model, optimizer = made(max_grad_norm=1e9)
    assert optimizer.recent_gradients(model.parameters()) is None
    for factor in (1.0, 2.0):
        for parameter in model.dense.parameters():
            parameter.grad = torch.full_like(parameter, factor)
        optimizer.set_learning_rate(5)
        optimizer.adamw.step()
        optimizer.forget_gradients()
    found = optimizer.recent_gradients(model.dense.parameters())
    mean = (0.9 * 1 + 2) / 1.9
    for gradient in found:
        torch.testing.assert_close(gradient, torch.full_like(gradient, mean))
    assert optimizer.recent_gradients(model.norm.parameters()) is None
