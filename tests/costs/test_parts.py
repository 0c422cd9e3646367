import functools
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification, BertConfig

from progsearch.config import method_of
from progsearch.costs import ModelCost, PartCost
from progsearch.costs.flops import measure_parts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, ScheduleSpec, Stage


@functools.cache
def bert_base() -> ModelCost:
    """Counted on a real BERT-base, whose weights need no memory for that."""
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(BertConfig())
        batch = {
            "input_ids": torch.ones(1, 64, dtype=torch.long),
            "labels": torch.zeros(1, dtype=torch.long),
        }
    anatomy = find_anatomy(model)
    sizes = {
        part: sum(p.numel() for _, p in anatomy.parameters(model, part))
        for part in ("embeddings", *range(anatomy.n_blocks), "head")
    }
    trainable = apply_method(model, anatomy, method_of())
    return measure_parts(model, anatomy, trainable, batch, sizes)


def cost_of(schedule, epochs, steps_per_epoch=100):
    return bert_base().of(schedule, epochs, examples=3200, total_steps=epochs * steps_per_epoch)


def test_the_papers_figures_for_bert_base():
    full = cost_of(Schedule.full(12), epochs=3, steps_per_epoch=3)
    paper = cost_of(Schedule.progtuning(12, 3), epochs=3, steps_per_epoch=3)
    assert round(full.parameters / 1e6, 1) == 109.5
    assert full.updated_parameters == 1
    # The paper counts the model without the task's classifier, here of two labels.
    classifier = 2 * 768 + 2
    assert round((full.updated_parameters_per_run - 3 * classifier) / 1e6, 1) == 328.4
    assert full.updated_parameters_per_run == 3 * 109_483_778
    assert round(paper.updated_parameters_per_run / 1e6, 1) == 243.4
    assert round(100 * (1 - paper.updated_parameters), 1) == 25.9


@pytest.mark.parametrize(
    ("n_stages", "fraction"), [(2, 0.806), (3, 0.741), (4, 0.709), (12, 0.644)]
)
def test_fraction_of_full_fine_tuning_by_stages(n_stages, fraction):
    # One stage an epoch, as in the paper.
    cost = cost_of(Schedule.progtuning(12, n_stages), epochs=n_stages)
    assert round(cost.updated_parameters, 3) == fraction


def test_frozen_embeddings_spare_the_backward_pass_below_the_trained_blocks():
    always = ScheduleSpec(n_stages=3).schedule(12)
    first_stage = ScheduleSpec(n_stages=3, embeddings="first_stage").schedule(12)
    assert round(cost_of(always, 3).flops_relative, 2) == 0.89
    assert round(cost_of(first_stage, 3).flops_relative, 2) == 0.77


PARTS = ModelCost(
    embeddings=PartCost(1000, 10, 1.0, 2.0, 3.0, 0.0),
    blocks=(
        PartCost(100, 20, 10.0, 20.0, 15.0, 11.0),
        PartCost(200, 30, 100.0, 200.0, 150.0, 110.0),
    ),
    head=PartCost(50, 50, 1000.0, 2000.0, 1500.0, 1100.0),
)


@pytest.mark.parametrize(
    ("stage", "updated", "flops"),
    [
        (Stage(0, 1, (0, 1), True), 110, 1111 + 3 + 20 + 200 + 2000),
        (Stage(0, 1, (0, 1), False), 100, 1111 + 15 + 200 + 2000),
        (Stage(0, 1, (1,), False), 80, 1111 + 150 + 2000),
        (Stage(0, 1, (0,), False), 70, 1111 + 15 + 110 + 2000),
        (Stage(0, 1, (1,), True), 90, 1111 + 3 + 11 + 200 + 2000),
        (Stage(0, 1, (), False), 50, 1111 + 1500),
        (Stage(0, 1, (0,), False, head=False), 20, 1111 + 15 + 110 + 1100),
        (Stage(0, 1, (), True, head=False), 10, 1111 + 3 + 11 + 110 + 1100),
    ],
)
def test_a_stage_by_hand(stage, updated, flops):
    assert PARTS.updated_in(stage) == updated
    assert PARTS.flops_in(stage) == flops


def test_a_part_without_trainable_parameters_needs_no_gradient():
    bare = ModelCost(PartCost(1000, 0, 1.0, 2.0, 3.0, 0.0), PARTS.blocks, PARTS.head)
    with_embeddings = Stage(0, 1, (1,), embeddings=True)
    without = Stage(0, 1, (1,), embeddings=False)
    assert bare.flops_in(with_embeddings) == bare.flops_in(without)


def test_a_run_by_hand():
    schedule = Schedule(
        2, (Stage(0.0, 0.25, (0, 1), embeddings=True), Stage(0.25, 1.0, (1,), embeddings=False))
    )
    cost = PARTS.of(schedule, epochs=2, examples=8, total_steps=4)
    first, second = 110, 80
    assert cost.n_blocks == 2
    assert cost.parameters == 1350
    assert cost.updated_parameters_per_step == (first + 3 * second) / 4
    assert cost.updated_parameters_per_run == 2 * (first + 3 * second) / 4
    assert cost.updated_parameters == (first + 3 * second) / 4 / 1350
    flops = [PARTS.flops_in(stage) for stage in schedule.stages]
    assert cost.flops == (flops[0] + 3 * flops[1]) / 4 * 2 * 8
    assert cost.flops_relative == (flops[0] + 3 * flops[1]) / 4 / flops[0]
    assert PARTS.full_flops == flops[0]


def test_costs_follow_the_whole_steps_a_run_makes():
    # Half of 5 steps is 2, not 2.5.
    schedule = Schedule(
        2, (Stage(0.0, 0.5, (0, 1), embeddings=True), Stage(0.5, 1.0, (1,), embeddings=False))
    )
    cost = PARTS.of(schedule, epochs=1, examples=10, total_steps=5)
    assert cost.updated_parameters_per_step == pytest.approx((2 * 110 + 3 * 80) / 5)


def test_a_cost_is_json():
    cost = PARTS.of(Schedule.full(2), epochs=1, examples=1, total_steps=1)
    assert json.loads(json.dumps(cost.to_dict()))["updated_parameters_per_step"] == 110


@given(
    st.integers(1, 6),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["linear", "cubic", "step"]),
    st.sampled_from(["always", "first_stage", "never"]),
)
def test_freezing_more_never_costs_more(n_stages, low, high, curve, embeddings):
    def cost(final):
        spec = ScheduleSpec(
            n_stages=n_stages,
            initial_freeze=min(low, high) * final,
            final_freeze=final,
            curve=curve,
            embeddings=embeddings,
        )
        return cost_of(spec.schedule(12), epochs=3)

    less, more = cost(min(low, high)), cost(max(low, high))
    assert more.updated_parameters <= less.updated_parameters <= 1
    assert more.flops <= less.flops
    assert 0 < more.flops_relative <= less.flops_relative <= 1 + 1e-9
