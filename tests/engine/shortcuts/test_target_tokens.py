"""Logits of target tokens only, in chunks, and the other shortcuts for language models."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from progsearch.config import TrainingConfig, method_of
from progsearch.engine import step
from progsearch.engine.batches import TrainingBatches
from progsearch.engine.shortcuts import hidden_states, target_tokens
from progsearch.engine.shortcuts.check import CHECKED, check_shortcuts
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps
from progsearch.engine.shortcuts.target_tokens import TargetTokens, n_places
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.tasks.types.causal_lm import CausalLM
from tests.support.runs import (
    DEVICE,
    language_split,
    three_stages,
    tiny_engine,
    weights,
)
from tests.support.schedules import schedules
from tests.support.tiny import tiny_language_model

DECODERS = ("gpt2", "gpt_neox", "opt", "llama", "qwen2", "qwen3", "gemma", "gemma2")
# Without chunks nothing but the shape of products differs; chunks change the order of sums.
OUTPUTS, GRADIENTS = 1e-6, 1e-5
KEEP = CausalLM().keep
DROPOUT: dict[str, tuple[str, ...]] = {"gpt2": ("resid_pdrop", "embd_pdrop", "attn_pdrop")}


def made(name, method="full", **overrides):
    off: dict[str, Any] = dict.fromkeys(DROPOUT.get(name, ()), 0.0)
    model = tiny_language_model(name, **off, **overrides).to(DEVICE)
    anatomy = find_anatomy(model)
    return model, anatomy, apply_method(model, anatomy, method_of(method), seed=0)


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of three target tokens."""
    monkeypatch.setattr(target_tokens, "_LOGITS", 200)


@pytest.mark.parametrize("name", DECODERS)
def test_each_shortcut_changes_no_number(name, small_chunks):
    # Every second one with a tied table; the trainings below have both.
    model, anatomy, trainable = made(name, tied=DECODERS.index(name) % 2 == 0)
    check = check_shortcuts(model, anatomy, trainable, language_split(), KEEP, each=True)
    assert not check.left_out
    (found,) = (f for f in check.findings if f.shortcut == "TargetTokens")
    assert found.outputs < OUTPUTS
    assert found.gradients < GRADIENTS


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_they_change_none_under_lora(name, small_chunks):
    model, anatomy, trainable = made(name, "lora")
    check = check_shortcuts(model, anatomy, trainable, language_split(), KEEP, each=True)
    assert not check.left_out
    assert {f.shortcut for f in check.findings} >= {"TargetTokens", "FrozenPrefix"}


def test_a_head_that_reads_more_than_its_state_is_found(small_chunks):
    """What follows the body is run on target tokens, so it must not mix tokens."""
    model, anatomy, trainable = made("llama")
    model.lm_head.register_forward_pre_hook(
        lambda module, given: (given[0] + given[0].cumsum(1) / 8,)
    )
    check = check_shortcuts(model, anatomy, trainable, language_split(), KEEP, each=True)
    assert TargetTokens in check.left_out


def test_logits_are_computed_for_target_tokens_alone():
    engine, model = tiny_engine(Schedule.full(3), made("llama")[0], split=language_split())
    seen = []
    model.lm_head.register_forward_hook(lambda *given: seen.append(given[2].shape[:-1].numel()))
    engine.advance(engine.steps_per_epoch)
    targets = int(language_split().units.sum())
    places = sum(seen) if DEVICE.type == "cuda" else targets
    assert targets <= sum(seen) == places < language_split().lengths.sum()
    kept = engine.predict(language_split(seed=1), KEEP)
    assert kept.shape == (int(language_split(seed=1).lengths.sum()), 2)


def trained(name, schedule, method="full", without=(), split=None, **given):
    overrides = {key: given.pop(key) for key in ("tied",) if key in given}
    off: dict[str, Any] = dict.fromkeys(DROPOUT.get(name, ()), 0.0)
    model = tiny_language_model(name, **off, **overrides)
    engine, model = tiny_engine(
        schedule,
        model,
        split=split or language_split(),
        method=method,
        without=without,
        **{"learning_rate": 1e-3} | given,
    )
    kept = []
    while engine.step < engine.total_steps:
        engine.advance(engine.step + engine.steps_per_epoch)
        kept.append(engine.predict(language_split(seed=9), KEEP))
    return weights(model), torch.stack(kept)


def assert_equal_training(name, schedule, method, **given):
    plain, plain_kept = trained(name, schedule, method, without=CHECKED, **given)
    found, kept = trained(name, schedule, method, **given)
    torch.testing.assert_close(kept, plain_kept, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "method", "tied"),
    [
        *(("gpt2", "full", True), ("gpt2", "lora", False), ("llama", "full", False)),
        *(("llama", "lora", True), ("qwen2", "full", True)),
    ],
)
def test_training_with_all_shortcuts_gives_the_weights_of_plain_passes(name, method, tied):
    assert_equal_training(name, three_stages(3), method, tied=tied)


@settings(max_examples=5, deadline=None)
@given(
    schedules(9),
    st.sampled_from(["gpt2", "llama", "qwen2"]),
    st.sampled_from(["full", "lora"]),
    st.booleans(),
)
def test_any_schedule_trains_the_same_with_all_shortcuts(schedule, name, method, tied):
    assert_equal_training(name, schedule, method, tied=tied, epochs=2)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_steps_are_those_of_any_cut_into_micro_batches(name):
    """Rows of unequal lengths: the loss of a step is the mean over all of its target tokens."""
    rows = language_split(16)
    assert len(set(rows.lengths)) > 4
    whole, _ = trained(name, Schedule.full(3), split=rows, batch_size=16)
    cut, _ = trained(name, Schedule.full(3), split=rows, batch_size=4, gradient_accumulation=4)
    torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-5)


def test_a_mean_over_micro_batches_would_give_other_weights(monkeypatch):
    given = {"split": language_split(16), "batch_size": 4, "gradient_accumulation": 4}
    right, _ = trained("llama", Schedule.full(3), **given)
    monkeypatch.setattr(step, "shares", lambda batches, rows: [0.25] * 4)
    wrong, _ = trained("llama", Schedule.full(3), **given)
    assert max(float((right[n] - wrong[n]).abs().max()) for n in right) > 1e-4


def test_a_stage_in_which_a_method_trains_nothing_leaves_the_weights():
    schedule = Schedule(
        3, (Stage(0, 0.5, (2,), embeddings=False), Stage(0.5, 1, (), embeddings=False))
    )
    model = tiny_language_model("llama")
    engine, model = tiny_engine(schedule, model, split=language_split(), method="lora", epochs=2)
    engine.advance(engine.steps_per_epoch)
    before = weights(model)
    engine.advance(engine.total_steps)
    assert engine.step == engine.total_steps
    assert all(torch.equal(before[name], value) for name, value in weights(model).items())


def test_a_frozen_tied_table_keeps_every_bit():
    model = tiny_language_model("llama", tied=True)
    table = model.lm_head.weight.detach().clone()
    engine, model = tiny_engine(Schedule.last_blocks(3, 1), model, split=language_split())
    engine.advance(engine.total_steps)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(model.lm_head.weight.cpu(), table)


def test_recorded_steps_are_told_apart_by_their_number_of_places():
    recorder = RecordedSteps.__new__(RecordedSteps)
    recorder._prefix, recorder._counts_targets = None, True
    steps = TrainingBatches(language_split(), TrainingConfig(), torch.device("cpu")).steps_of(0)
    batch = steps[0][0]
    assert recorder._kind(batch) == (len(batch.indices), batch.width, n_places(batch))
    assert n_places(batch) >= batch.units


def test_on_a_gpu_places_are_filled_up_without_reading_the_device(monkeypatch):
    targets = torch.tensor([-100, 5, -100, 6, -100, -100])
    assert target_tokens.filled_places(targets, 4).tolist() == [1, 3, 0, 2]
    # The same losses and scores as with the places of targets alone.
    monkeypatch.setattr(target_tokens, "_places", target_tokens.filled_places)
    assert_equal_training("llama", three_stages(3), "full")


def test_states_that_are_too_large_are_not_kept_and_the_prefix_records_no_graph(
    monkeypatch, caplog
):
    caplog.set_level("INFO", logger="progsearch")
    schedule = Schedule.last_blocks(3, 1)
    expected, expected_kept = trained("llama", schedule)
    assert "has no room" not in caplog.text
    monkeypatch.setattr(hidden_states, "_MEMORY_SHARE", 0.0)
    monkeypatch.setattr(hidden_states, "_DISK_SHARE", 0.0)
    found, kept = trained("llama", schedule)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(kept, expected_kept, rtol=1e-4, atol=1e-5)
    assert "has no room" in caplog.text
    assert "the frozen blocks run without gradients" in caplog.text
    model = tiny_language_model("llama")
    engine, model = tiny_engine(schedule, model, split=language_split())
    graphs = []
    model.model.layers[1].register_forward_hook(lambda *given: graphs.append(given[2].grad_fn))
    engine.advance(engine.steps_per_epoch)
    # Once for each batch, and in the pass that shows the states' size.
    assert len(graphs) >= engine.steps_per_epoch
    assert graphs == [None] * len(graphs)
