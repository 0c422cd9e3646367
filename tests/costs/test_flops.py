import functools
from collections import defaultdict

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from progsearch.config import method_of
from progsearch.costs.flops import measure_parts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from tests.support.tiny import TINY, tiny_batch, tiny_language_model, tiny_model

STAGES = {
    "full": Stage(0, 1, (0, 1, 2), embeddings=True),
    "embeddings frozen": Stage(0, 1, (0, 1, 2), embeddings=False),
    "paper, second part": Stage(0, 1, (1, 2), embeddings=True),
    "last block": Stage(0, 1, (2,), embeddings=False),
    "a hole": Stage(0, 1, (0, 2), embeddings=False),
    "head only": Stage(0, 1, (), embeddings=False),
    "no head": Stage(0, 1, (1,), embeddings=False, head=False),
}


def measured(model, method="full", batch=None):
    anatomy = find_anatomy(model)
    sizes = {
        part: sum(p.numel() for _, p in anatomy.parameters(model, part))
        for part in ("embeddings", *range(anatomy.n_blocks), "head")
    }
    trainable = apply_method(model, anatomy, method_of(method))
    return measure_parts(model, anatomy, trainable, batch or tiny_batch(), sizes), trainable


@functools.cache
def tiny_cost(name, method):
    return measured(tiny_model(name), method)[0]


def counted_whole(model, trained, batch):
    """FLOPs per example of one real step, by torch's counter."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:
        model(**batch).loss.backward()
    return counter.get_total_flops() / len(batch["labels"])


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("bert", "full"),
        ("bert", "lora"),
        ("bert", "adapter"),
        ("llama", "full"),
        ("llama", "lora"),
    ],
)
def test_parts_add_up_to_a_real_step(name, method, stage):
    model = tiny_model(name)
    trainable = apply_method(model, find_anatomy(model), method_of(method))
    real = counted_whole(model, trainable.names(stage), tiny_batch())
    assert tiny_cost(name, method).flops_in(stage) == pytest.approx(real, rel=1e-9)


@pytest.mark.parametrize("name", TINY)
def test_full_fine_tuning_of_every_architecture(name):
    model = tiny_model(name)
    batch = tiny_batch()
    cost, trainable = measured(model, "full", batch)
    real = counted_whole(model, trainable.names(STAGES["full"]), batch)
    assert cost.full_flops == pytest.approx(real, rel=1e-9)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_inputs_that_all_blocks_share_cost_little(stage):
    # DeBERTa hands relative positions to every block; whether a block gives them a gradient
    # depends on more than its neighbours, so the parts add up only nearly.
    model = tiny_model("deberta-v2")
    trainable = apply_method(model, find_anatomy(model), method_of())
    real = counted_whole(model, trainable.names(stage), tiny_batch())
    assert tiny_cost("deberta-v2", "full").flops_in(stage) == pytest.approx(real, rel=0.05)


@pytest.mark.parametrize(
    ("name", "method", "tied"),
    [
        *((name, "full", True) for name in ("full", "paper, second part", "head only")),
        ("embeddings frozen", "full", True),
        *(("full", "full", False), ("last block", "lora", True)),
    ],
)
def test_a_tied_table_costs_its_gradient_where_embeddings_are_trained(name, method, tied):
    stage = STAGES[name]
    model = tiny_language_model("llama", tied=tied)
    batch = {"input_ids": tiny_batch()["input_ids"], "labels": tiny_batch()["input_ids"]}
    cost, trainable = measured(model, method, batch)
    real = counted_whole(model, trainable.names(stage), batch)
    assert cost.flops_in(stage) == pytest.approx(real, rel=1e-9)
    table = 64 * 32
    # A tied table is counted once, as part of the embeddings.
    plain = tiny_language_model("llama", tied=tied)
    assert cost.parameters == sum(p.numel() for p in plain.parameters())
    assert cost.head.parameters == 32 + (0 if tied else table)


def test_a_schedule_costs_the_sum_of_its_steps():
    model = tiny_model("bert")
    batch = tiny_batch()
    cost, trainable = measured(model, "full", batch)
    schedule = Schedule.progtuning(3, 3)
    run = cost.of(schedule, epochs=3, examples=40, total_steps=30)
    real = [counted_whole(model, trainable.names(s), batch) for s in schedule.stages]
    assert run.flops == pytest.approx(40 * sum(real), rel=1e-9)
    assert run.flops_relative == pytest.approx(sum(real) / 3 / real[0], rel=1e-9)


def test_a_block_by_hand():
    tokens, hidden, inner = 10, 32, 48
    cost, _ = measured(tiny_model("bert"))
    projections = 2 * tokens * (4 * hidden**2 + 2 * hidden * inner)
    attention = 2 * 2 * tokens**2 * hidden
    for block in cost.blocks:
        assert block.forward == projections + attention
        # A trained layer computes two products of its forward's size, a frozen one one of them.
        assert block.backward == 2 * (projections + attention)
        assert block.backward_through == projections + 2 * attention
        # The lowest layer needs no gradient of query's, key's and value's input.
        assert block.backward_first == block.backward - 2 * tokens * 3 * hidden**2


def test_sizes_are_those_of_the_parts():
    cost, _ = measured(tiny_model("bert"), "lora")
    plain = tiny_model("bert")
    assert cost.parameters == sum(p.numel() for p in plain.parameters())
    assert cost.blocks[1].parameters == sum(
        p.numel() for p in plain.bert.encoder.layer[1].parameters()
    )
    # Rank 8 on four square layers and on those between 32 and 48.
    assert cost.blocks[1].trainable == 8 * (4 * (32 + 32) + 2 * (32 + 48))
    assert cost.embeddings.trainable == 0
    assert cost.head.trainable == cost.head.parameters


def test_flops_are_per_example():
    one = measured(tiny_model("bert"), batch=tiny_batch(n_examples=1))[0]
    many = measured(tiny_model("bert"), batch=tiny_batch(n_examples=5))[0]
    assert one == many


def test_measuring_leaves_no_trace():
    model = tiny_model("bert").train()
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of("lora"))
    model.classifier.weight.grad = torch.ones_like(model.classifier.weight)
    required = [p.requires_grad for p in model.parameters()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measure_parts(model, anatomy, trainable, tiny_batch(), defaultdict(int))
    assert [p.requires_grad for p in model.parameters()] == required
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    gradients = {name for name, p in model.named_parameters() if p.grad is not None}
    assert gradients == {"classifier.weight"}
    assert (model.classifier.weight.grad == 1).all()
    assert all(module.training for module in model.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
