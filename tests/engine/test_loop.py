import math

import pytest
import torch
from transformers import get_linear_schedule_with_warmup

from progsearch.errors import TrialFailed
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from tests.support.runs import (
    DEVICE,
    changed,
    four_block_bert,
    three_stages,
    tiny_engine,
    tiny_split,
    weights,
)
from tests.support.tiny import tiny_model


@pytest.mark.parametrize("architecture", ["bert", "llama", "gpt2", "deberta-v2"])
@pytest.mark.parametrize("method", ["full", "lora", "adapter"])
def test_a_stage_changes_its_own_parts_and_no_bit_of_the_others(architecture, method):
    model = tiny_model(architecture)
    n_blocks = find_anatomy(model).n_blocks
    schedule = three_stages(n_blocks)
    engine, model = tiny_engine(schedule, model, method=method)
    trainable = engine._trainable
    for _, end, stage in schedule.spans(engine.total_steps):
        before = weights(model)
        engine.advance(end)
        moved = changed(before, weights(model))
        assert moved <= trainable.names(stage)
        anatomy = find_anatomy(model)
        parts = {anatomy.part_of(name) for name in moved}
        expected = {*stage.trainable_blocks, "head"}
        if stage.embeddings and trainable.embeddings:
            expected.add("embeddings")
        assert parts == expected


def test_adam_keeps_nothing_of_frozen_parameters():
    schedule = three_stages(4)
    engine, model = tiny_engine(schedule)
    names = {parameter: name for name, parameter in model.named_parameters()}
    for _, end, stage in schedule.spans(engine.total_steps):
        engine.advance(end)
        held = {names[parameter] for parameter in engine.optimizer.adamw.state}
        assert held <= engine._trainable.names(stage)
        assert any("encoder.layer.3" in name for name in held)


def test_frozen_parameters_get_no_gradient():
    schedule = Schedule.last_blocks(4, 1)
    engine, model = tiny_engine(schedule)
    seen = set()
    for name, parameter in model.named_parameters():
        parameter.register_hook(lambda grad, name=name: seen.add(name))
    engine.advance(1)
    assert seen
    assert not any("embeddings" in name or "layer.0" in name for name in seen)


def test_dropout_is_off_in_frozen_parts_only():
    model = four_block_bert(hidden_dropout_prob=0.5)
    engine, model = tiny_engine(Schedule.last_blocks(4, 2), model)
    engine.advance(1)
    outputs = {1: [], 2: []}
    anatomy = find_anatomy(model)
    for block, seen in outputs.items():
        model.get_submodule(anatomy.blocks[block]).register_forward_hook(
            lambda module, inputs, output, seen=seen: seen.append(output)
        )
    batch = tiny_split().batch([0, 1, 2], DEVICE)
    for _ in range(2):
        model(**batch)
    assert torch.equal(*outputs[1])
    assert not torch.equal(*outputs[2])


def test_the_same_seed_gives_the_same_bits():
    def train(seed):
        engine, model = tiny_engine(three_stages(4), four_block_bert(), seed=seed)
        engine.advance(engine.total_steps)
        return weights(model)

    assert not changed(train(0), train(0))
    assert changed(train(0), train(1))


def test_stopping_to_evaluate_changes_nothing():
    def train(stops):
        engine, model = tiny_engine(three_stages(4), four_block_bert())
        for step in [*stops, engine.total_steps]:
            engine.advance(step)
            engine.predict(tiny_split(seed=1))
        return weights(model)

    assert not changed(train([]), train([1, 2, 5, 6]))


def test_accumulated_batches_make_the_step_of_one_large_batch():
    def train(**training):
        engine, model = tiny_engine(
            Schedule.full(4),
            four_block_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
            split=tiny_split(16),
            epochs=2,
            learning_rate=1e-3,
            **training,
        )
        engine.advance(engine.total_steps)
        return weights(model)

    whole = train(batch_size=16)
    parts = train(batch_size=4, gradient_accumulation=4)
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-3, atol=1e-4)


def test_a_thawed_block_starts_with_fresh_moments():
    stages = (
        Stage(0.0, 1 / 3, (0, 1), embeddings=False),
        Stage(1 / 3, 2 / 3, (2, 3), embeddings=False),
        Stage(2 / 3, 1.0, (0, 1), embeddings=False),
    )
    engine, model = tiny_engine(Schedule(4, stages))
    engine.advance(2 * engine.total_steps // 3 + 1)
    parameter = model.get_submodule(find_anatomy(model).blocks[0]).get_parameter(
        "output.dense.weight"
    )
    assert engine.optimizer.adamw.state[parameter]["step"].item() == 1


def test_learning_rate_warms_up_and_decays_over_the_whole_run():
    engine, _ = tiny_engine(three_stages(4), warmup_ratio=0.25, learning_rate=0.01)
    reference = get_linear_schedule_with_warmup(
        torch.optim.AdamW([torch.zeros(1)], lr=0.01),
        math.ceil(0.25 * engine.total_steps),
        engine.total_steps,
    )
    for step in range(engine.total_steps):
        assert engine.optimizer.learning_rate(step) == pytest.approx(reference.get_last_lr()[0])
        engine.advance(step + 1)
        group = engine.optimizer.adamw.param_groups[0]
        assert group["lr"] == engine.optimizer.learning_rate(step)
        reference.optimizer.step()
        reference.step()


def test_a_loss_that_is_not_finite_is_the_trials_failure():
    engine, model = tiny_engine(Schedule.full(4))
    with torch.no_grad():
        next(iter(model.parameters())).fill_(math.inf)
    with pytest.raises(TrialFailed, match="not finite at step"):
        engine.advance(engine.total_steps)


def test_a_finished_training_does_not_go_on():
    engine, _ = tiny_engine(three_stages(4))
    engine.advance(1)
    engine.finish()
    with pytest.raises(AssertionError, match="finished"):
        engine.advance(2)
