"""What is different on a GPU; all other tests of training run there, too, where there is one."""

import numpy as np
import pytest
import torch

from progsearch.config import method_of
from progsearch.engine.shortcuts import hidden_states
from progsearch.engine.shortcuts.check import check_shortcuts
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.tasks import Split
from tests.support.runs import (
    changed,
    four_block_bert,
    shortcut,
    three_stages,
    tiny_engine,
    weights,
)
from tests.support.tiny import TINY, tiny_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

# These send constants to the GPU within a step and wait for them.
WAITING = ("deberta-v2", "gemma2")


def texts(n_examples=128, longest=90, pad_id=0):
    """Long enough that kernels spread an example over several groups of threads."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(longest // 2, longest, size=n_examples)
    ids = generator.integers(5, 64, size=lengths.sum())
    labels = generator.integers(0, 2, size=n_examples)
    return Split(ids, lengths, {"labels": labels}, pad_id=pad_id)


def large_bert(**overrides):
    return tiny_model(
        "bert",
        num_hidden_layers=4,
        hidden_size=384,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=128,
        **overrides,
    )


def train(schedule, model, recorded=True, **settings):
    without = () if recorded else (RecordedSteps,)
    engine, model = tiny_engine(schedule, model, without=without, **settings)
    engine.advance(engine.total_steps)
    return engine, weights(model)


def has_recorded(engine):
    steps = shortcut(engine, RecordedSteps)
    return steps._usable and bool(steps._recorded)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_seed_gives_the_same_bits(precision):
    settings = {"split": texts(), "precision": precision}
    _, first = train(three_stages(4), large_bert(), **settings)
    _, second = train(three_stages(4), large_bert(), **settings)
    assert not changed(first, second)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("prefix_cache", [True, False])
def test_recorded_steps_give_the_bits_of_others(precision, prefix_cache):
    settings = {"split": texts(), "precision": precision, "prefix_cache": prefix_cache}
    _, plain = train(three_stages(4), large_bert(), recorded=False, **settings)
    engine, recorded = train(three_stages(4), large_bert(), **settings)
    assert has_recorded(engine)
    assert not changed(plain, recorded)


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_every_architecture_gives_the_bits_of_steps_by_hand(architecture):
    pad_id = tiny_model(architecture).config.pad_token_id
    schedule = three_stages(find_anatomy(tiny_model(architecture)).n_blocks)
    settings = {"split": texts(32, 24, pad_id), "gradient_accumulation": 2, "batch_size": 4}
    _, plain = train(schedule, tiny_model(architecture), recorded=False, **settings)
    engine, recorded = train(schedule, tiny_model(architecture), **settings)
    if architecture in WAITING:
        assert shortcut(engine, RecordedSteps) is None
    else:
        assert has_recorded(engine)
    assert not changed(plain, recorded)


@pytest.mark.parametrize("method", ["lora", "bitfit", "adapter"])
def test_steps_of_every_method_are_recorded(method):
    settings = {"split": texts(), "method": method}
    _, plain = train(three_stages(4), large_bert(), recorded=False, **settings)
    engine, recorded = train(three_stages(4), large_bert(), **settings)
    assert has_recorded(engine)
    assert not changed(plain, recorded)


def test_recorded_steps_do_not_wait_for_the_gpu():
    engine, _ = tiny_engine(Schedule.last_blocks(4, 2), large_bert(), split=texts(), epochs=4)
    engine.advance(2 * engine.steps_per_epoch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError, match="synchronizing"):
            engine._check_loss()
        engine._train(engine.step + 8)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_what_a_batch_without_padding_needs_is_not_recorded():
    split = texts()
    split.lengths[:] = split.lengths.min()
    engine, _ = train(Schedule.full(4), large_bert(), split=split)
    steps = shortcut(engine, RecordedSteps)
    assert steps._usable and not steps._recorded


def test_states_that_the_gpu_has_no_room_for_lie_beside_it(monkeypatch):
    frozen = Schedule(
        4,
        (
            Stage(0.0, 0.5, (2, 3), embeddings=False),
            Stage(0.5, 1.0, (3,), embeddings=False),
        ),
    )
    _, plain = train(frozen, large_bert(), split=texts())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
    for share in (hidden_states._MEMORY_SHARE, 0.0):
        monkeypatch.setattr(hidden_states, "_MEMORY_SHARE", share)
        engine, beside = train(frozen, large_bert(), split=texts())
        known = shortcut(engine, FrozenPrefix)._states[engine._split]
        assert {states.states.device.type for states in known} == {"cpu"}
        assert not changed(plain, beside)


def test_an_engine_that_goes_on_elsewhere_gives_the_same_bits():
    """Other tensors take part from there on, so nothing recorded before may be repeated."""
    settings = {"split": texts(), "epochs": 4}
    schedule = three_stages(4)
    _, straight = train(schedule, large_bert(), **settings)
    engine, model = tiny_engine(schedule, large_bert(), **settings)
    engine.advance(20)
    state = {
        key: value.clone() for key, value in engine.state(dict(model.named_parameters())).items()
    }
    engine.advance(26)
    engine.restore(20, [state])
    engine.advance(engine.total_steps)
    assert not changed(straight, weights(model))


def test_a_model_that_waits_for_the_gpu_is_trained_without_recording(caplog):
    def wait(module, inputs, output):
        output.sum().item()

    model = four_block_bert()
    model.classifier.register_forward_hook(wait)
    plain_model = four_block_bert()
    _, plain = train(three_stages(4), plain_model, recorded=False)
    with caplog.at_level("INFO", logger="progsearch"):
        engine, waiting = train(three_stages(4), model)
    assert not shortcut(engine, RecordedSteps)._usable
    assert any("without CUDA graphs" in message for message in caplog.messages)
    assert not changed(plain, waiting)


@pytest.mark.parametrize("name", sorted(set(TINY) - set(WAITING)))
def test_recorded_steps_are_compared_with_plain_ones_and_used(name):
    model = tiny_model(name).cuda()
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of(), seed=0)
    check = check_shortcuts(model, anatomy, trainable, texts(longest=40), each=True)
    assert check.findings[-1].shortcut == "RecordedSteps"
    assert check.findings[-1].reason is None
