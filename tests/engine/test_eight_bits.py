"""AdamW with moments in 8 bits, against the optimizer of bitsandbytes in a plain loop."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from progsearch.config import TrainingConfig
from progsearch.engine.optimizer import Optimizer, embedding_weights, moment_bytes
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.schedule import Schedule, Stage
from tests.support.runs import DEVICE, changed, three_stages, tiny_engine, weights
from tests.support.schedules import schedules
from tests.support.tiny import tiny_model

bitsandbytes = pytest.importorskip("bitsandbytes")

EXACT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
# Its larger weights have the 4096 numbers from which on the library uses 8 bits.
WIDE = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 3}
EIGHT = {"optimizer": "adamw-8bit"}


def wide(**overrides):
    return tiny_model("bert", **WIDE | overrides)


def held_in_8_bits(engine, model):
    """Names of the parameters whose moments are codes."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    state = engine.optimizer.adamw.state
    return {names[p] for p, kept in state.items() if kept["state1"].dtype == torch.uint8}


def plain_training(engine, model):
    """The optimizer of the library on the batches of an engine, without its code."""
    manager = bitsandbytes.optim.GlobalOptimManager.get_instance()
    decayed = engine.optimizer._decayed
    groups: list[dict[str, Any]] = [
        {"params": [p for n, p in model.named_parameters() if n in decayed]},
        {"params": [p for n, p in model.named_parameters() if n not in decayed]},
    ]
    groups[1]["weight_decay"] = 0.0
    optimizer = bitsandbytes.optim.AdamW8bit(groups, lr=0.0, weight_decay=0.01)
    manager.initialize()
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            manager.register_module_override(module, "weight", {"optim_bits": 32})
    model.train()
    for step in range(engine.total_steps):
        ((_, _, stage),) = [s for s in engine._plan.spans if s[0] <= step < s[1]]
        trained = engine._trainable.names(stage)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in trained)
            if name not in trained:
                optimizer.state.pop(parameter, None)
        epoch, place = divmod(step, engine.steps_per_epoch)
        batches = engine._data.steps_of(epoch)[place]
        for group in optimizer.param_groups:
            group["lr"] = engine.optimizer.learning_rate(step)
        optimizer.zero_grad()
        rows = sum(len(batch.indices) for batch in batches)
        for batch in batches:
            inputs = engine._split.gather(torch.from_numpy(batch.indices), batch.width)
            loss = model(**inputs).loss
            (loss * (len(batch.indices) / rows) if len(batches) > 1 else loss).backward()
        held = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_([p for p in held if p.grad is not None], 1.0)
        optimizer.step()
    manager.initialize()
    return weights(model)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_it_trains_as_the_optimizer_of_the_library(accumulation):
    given = {"prefix_cache": False, "without": [HeadToken], "gradient_accumulation": accumulation}
    engine, model = tiny_engine(three_stages(3), wide(**EXACT), **EIGHT, **given)
    wanted = plain_training(engine, wide(**EXACT).to(DEVICE))
    engine.advance(engine.total_steps)
    assert not changed(weights(model), wanted)
    exact, other = tiny_engine(three_stages(3), wide(**EXACT), **given)
    exact.advance(exact.total_steps)
    assert changed(weights(other), wanted)


def test_large_weights_have_codes_and_the_rest_keeps_numbers():
    engine, model = tiny_engine(three_stages(3), wide(vocab_size=256), **EIGHT)
    engine.advance(2)
    dense = {f"bert.encoder.layer.{i}.{place}.dense.weight" for i in range(3) for place in DENSE}
    assert held_in_8_bits(engine, model) == dense
    taken = sum(t.nbytes for kept in engine.optimizer.adamw.state.values() for t in tensors(kept))
    exact = {id(weight) for weight in embedding_weights(model)}
    predicted = sum(
        moment_bytes(p, in_8_bits=id(p) not in exact) for p in engine.optimizer.adamw.state
    )
    assert taken == predicted
    engine.advance(4)
    assert held_in_8_bits(engine, model) == {n for n in dense if ".layer.0." not in n}


DENSE = ("intermediate", "output")


def tensors(kept):
    """The tensors of a parameter's state that no other has."""
    return [kept[name] for name in ("state1", "state2", "absmax1", "absmax2") if name in kept]


def test_other_optimizers_of_the_process_change_nothing():
    engine, model = tiny_engine(three_stages(3), wide(), **EIGHT)
    engine.advance(engine.total_steps)
    manager = bitsandbytes.optim.GlobalOptimManager.get_instance()
    again, other = tiny_engine(three_stages(3), wide(), **EIGHT)
    try:
        for place in range(30):
            manager.index2config[0, place] = {"optim_bits": 32}
        again.advance(again.total_steps)
    finally:
        manager.initialize()
    assert not changed(weights(model), weights(other))


def resumed(schedule, at, **settings):
    """The weights of a run that another engine finishes, from the stored tensors."""
    settings |= {**EIGHT, "prefix_cache": False}
    first, model = tiny_engine(schedule, wide(), **settings)
    first.advance(at)
    names = [name for name, _ in model.named_parameters()]
    state = {key: value.clone() for key, value in first.state(names).items()}
    second, other = tiny_engine(schedule, wide(), **settings)
    second.restore(at, [state])
    second.advance(second.total_steps)
    return weights(other)


@settings(max_examples=6)
@given(schedules(9), st.integers(1, 8), st.sampled_from(["full", "lora"]))
def test_a_run_that_is_resumed_gives_the_same_bits(schedule, at, method):
    whole, model = tiny_engine(schedule, wide(), **EIGHT, method=method, prefix_cache=False)
    whole.advance(whole.total_steps)
    assert not changed(weights(model), resumed(schedule, at, method=method))


def test_a_run_that_is_resumed_goes_on_with_codes():
    schedule = Schedule.full(3)
    first, model = tiny_engine(schedule, wide(), **EIGHT)
    first.advance(3)
    state = first.state([name for name, _ in model.named_parameters()])
    dense = "bert.encoder.layer.0.output.dense.weight"
    assert state[f"state1:{dense}"].dtype == torch.uint8
    second, other = tiny_engine(schedule, wide(), **EIGHT)
    second.restore(3, [{key: value.clone() for key, value in state.items()}])
    assert held_in_8_bits(second, other) == held_in_8_bits(first, model)
    assert not any(key.startswith("qmap") for key in state)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_frozen_block_gives_up_its_state_and_thaws_afresh(precision):
    stages = (
        Stage(0.0, 1 / 3, (0, 1, 2), embeddings=True),
        Stage(1 / 3, 2 / 3, (2,), embeddings=False),
        Stage(2 / 3, 1.0, (0, 2), embeddings=False),
    )
    engine, model = tiny_engine(Schedule(3, stages), wide(), **EIGHT, precision=precision)
    parameter = model.bert.encoder.layer[0].output.dense.weight
    steps = []
    for until in (2, 4, 7):
        engine.advance(until)
        steps.append(engine.optimizer.adamw.state.get(parameter, {}).get("step"))
    assert steps == [2, None, 1]


def of_gradients(factor, **training):
    """An optimizer after two steps with such gradients, and its weight of 8192 numbers."""
    torch.manual_seed(0)
    model = nn.Linear(128, 64).to(DEVICE)
    optimizer = Optimizer(model, TrainingConfig(**{"learning_rate": 0.1} | EIGHT | training), 10)
    draw = torch.Generator().manual_seed(1)
    given = []
    for step in range(2):
        for parameter in model.parameters():
            parameter.grad = factor * torch.randn(parameter.shape, generator=draw).to(DEVICE)
        given.append(model.weight.grad.clone())
        optimizer.set_learning_rate(5)
        optimizer.clip()
        optimizer.adamw.step()
        assert step == 0 or optimizer.adamw.state[model.weight]["state1"].dtype == torch.uint8
    return model, optimizer, given


def test_recent_gradients_are_those_that_the_codes_stand_for():
    model, optimizer, (first, second) = of_gradients(1.0, max_grad_norm=1e9)
    assert optimizer.recent_gradients([nn.Parameter(torch.zeros(1))]) is None
    weight, bias = optimizer.recent_gradients(model.parameters())
    mean = (0.9 * first + second) / 1.9
    assert weight.shape == mean.shape
    assert (weight - mean).norm() < 0.05 * mean.norm()
    assert not torch.equal(weight, mean)
    assert bias.shape == model.bias.shape


def test_gradients_are_clipped_before_the_step():
    norms = []
    for largest in (1.0, 1e9):
        model, optimizer, _ = of_gradients(1.0, max_grad_norm=largest)
        (moment,) = optimizer.recent_gradients([model.weight])
        norms.append(moment.norm())
    assert norms[0] < 1.0 < norms[1]


def test_decay_is_that_of_the_steps_in_which_a_parameter_is_trained():
    torch.manual_seed(0)
    model = nn.Linear(128, 64).to(DEVICE)
    training = TrainingConfig(learning_rate=0.1, weight_decay=0.5, warmup_ratio=0.0, **EIGHT)
    optimizer = Optimizer(model, training, 10)
    before = model.weight.detach().clone()
    for step in range(3):
        optimizer.set_learning_rate(step)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.adamw.step()
    torch.testing.assert_close(
        model.weight.detach(), before * optimizer.decay("weight", [0, 1, 2])
    )
