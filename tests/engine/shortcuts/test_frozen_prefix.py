import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from progsearch.engine.shortcuts import frozen_prefix as prefix
from progsearch.engine.shortcuts import hidden_states
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.store import Store
from progsearch.training import TrainingRun
from tests.support.runs import (
    config_of,
    finish,
    four_block_bert,
    shortcut,
    three_stages,
    tiny_engine,
    tiny_split,
    weights,
)
from tests.support.tiny import TINY, tiny_model

# A cached state was computed in a batch of another shape than the one that reads it, and matrix
# products of another shape round differently; nothing else may differ.
TOLERANCE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}


def train(architecture, method, schedule, prefix_cache, epochs=4, **overrides):
    model = tiny_model(architecture, **overrides)
    training = {"epochs": epochs, "learning_rate": 1e-3}
    engine, model = tiny_engine(
        schedule, model, method=method, prefix_cache=prefix_cache, **training
    )
    validation = tiny_split(seed=9, pad_id=model.config.pad_token_id)
    predictions = []
    while engine.step < engine.total_steps:
        engine.advance(engine.step + engine.steps_per_epoch)
        predictions.append(engine.predict(validation))
    return weights(model), torch.stack(predictions)


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_the_cache_changes_no_number(architecture):
    n_blocks = find_anatomy(tiny_model(architecture)).n_blocks
    schedule = Schedule(
        n_blocks,
        (
            Stage(0.0, 0.2, tuple(range(n_blocks)), embeddings=True),
            Stage(0.2, 0.6, tuple(range(1, n_blocks)), embeddings=False),
            Stage(0.6, 1.0, (n_blocks - 1,), embeddings=False),
        ),
    )
    plain, plain_predictions = train(architecture, "full", schedule, prefix_cache=False)
    cached, cached_predictions = train(architecture, "full", schedule, prefix_cache=True)
    torch.testing.assert_close(cached_predictions, plain_predictions, **TOLERANCE)
    torch.testing.assert_close(cached, plain, **TOLERANCE)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize("method", ["lora", "adapter"])
def test_the_cache_changes_no_number_under_other_methods(architecture, method):
    schedule = three_stages(find_anatomy(tiny_model(architecture)).n_blocks)
    plain, plain_predictions = train(architecture, method, schedule, prefix_cache=False)
    cached, cached_predictions = train(architecture, method, schedule, prefix_cache=True)
    torch.testing.assert_close(cached_predictions, plain_predictions, **TOLERANCE)
    torch.testing.assert_close(cached, plain, **TOLERANCE)


def test_batches_of_equal_width_give_the_same_bits():
    model_split = tiny_split()
    model_split.lengths[:] = model_split.lengths.min()
    schedule = three_stages(4)

    def run(prefix_cache):
        engine, model = tiny_engine(
            schedule, four_block_bert(), split=model_split, prefix_cache=prefix_cache
        )
        engine.advance(engine.total_steps)
        return weights(model)

    for (name, a), b in zip(run(True).items(), run(False).values(), strict=True):
        assert torch.equal(a, b), name


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans())
def test_random_schedules_train_alike_with_and_without_the_cache(starts, thaws):
    starts = starts if thaws else sorted(starts)
    bounds = [i / len(starts) for i in range(len(starts) + 1)]
    schedule = Schedule(
        4,
        tuple(
            Stage(a, b, tuple(range(first, 4)), embeddings=False)
            for (a, b), first in zip(itertools.pairwise(bounds), starts, strict=True)
        ),
    )
    plain = train("bert", "full", schedule, False, num_hidden_layers=4)
    cached = train("bert", "full", schedule, True, num_hidden_layers=4)
    torch.testing.assert_close(cached, plain, **TOLERANCE)


def test_a_frozen_block_runs_once_per_example(by_hand):
    calls = []
    engine, model = tiny_engine(Schedule.last_blocks(4, 1), epochs=4)
    anatomy = find_anatomy(model)
    hidden = model.get_submodule(anatomy.blocks[0]).attention
    hidden.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    engine.advance(engine.total_steps)
    assert sum(calls) == len(tiny_split())


def test_the_cache_moves_forward_from_where_it_is():
    calls = {0: 0, 2: 0}
    stages = (
        Stage(0.0, 0.5, (2, 3), embeddings=False),
        Stage(0.5, 1.0, (3,), embeddings=False),
    )
    engine, model = tiny_engine(Schedule(4, stages), epochs=4)
    anatomy = find_anatomy(model)
    engine.advance(engine.total_steps // 2)

    def counted(block):
        def hook(module, inputs, output):
            calls[block] += len(inputs[0])

        return hook

    for block in tuple(calls):
        attention = model.get_submodule(anatomy.blocks[block]).attention
        attention.register_forward_hook(counted(block))
    engine.advance(engine.total_steps)
    assert calls == {0: 0, 2: len(tiny_split())}


def test_a_block_that_was_trained_on_a_way_that_was_skipped_is_run_again():
    schedule = Schedule(
        4,
        (
            Stage(0.0, 1 / 3, (2, 3), embeddings=False),
            Stage(1 / 3, 2 / 3, (0, 1, 2, 3), embeddings=False),
            Stage(2 / 3, 1.0, (2, 3), embeddings=False),
        ),
    )
    plain, model = tiny_engine(schedule, four_block_bert(), prefix_cache=False)
    cached, other = tiny_engine(schedule, four_block_bert())
    third = plain.total_steps // 3
    cached.advance(third)
    plain.advance(2 * third)
    state = plain.state(plain.trained_names(0, 2 * third))
    cached.restore(2 * third, [{name: tensor.clone() for name, tensor in state.items()}])
    for engine in (plain, cached):
        engine.advance(engine.total_steps)
    torch.testing.assert_close(weights(other), weights(model), **TOLERANCE)


@pytest.mark.parametrize(
    ("trained", "embeddings", "method", "reason"),
    [
        ((2, 3), False, "full", None),
        ((1, 3), False, "full", "frozen blocks 2, whose input changes with block 1"),
        ((3,), True, "full", "frozen blocks 0, 1, 2, whose input changes with the embeddings"),
        # LoRA trains nothing of the embeddings.
        ((3,), True, "lora", None),
        ((0, 1, 2, 3), True, "full", None),
    ],
)
def test_what_the_cache_cannot_hold_is_logged(trained, embeddings, method, reason, caplog):
    schedule = Schedule(4, (Stage(0.0, 1.0, trained, embeddings=embeddings),))
    engine, _ = tiny_engine(schedule, method=method, epochs=1)
    with caplog.at_level("INFO", logger="progsearch"):
        engine.advance(1)
        engine.advance(engine.total_steps)
    expected = [] if reason is None else [f"steps 0 to 3, not in the prefix cache: {reason}"]
    assert caplog.messages == expected


def test_what_does_not_fit_in_memory_goes_to_a_file(monkeypatch):
    schedule = three_stages(4)
    plain = train("bert", "full", schedule, False, num_hidden_layers=4)
    monkeypatch.setattr(hidden_states, "_MEMORY_SHARE", 0.0)
    torch.testing.assert_close(
        train("bert", "full", schedule, True, num_hidden_layers=4), plain, **TOLERANCE
    )


def test_what_fits_nowhere_is_not_kept_and_the_prefix_runs_each_time(monkeypatch, caplog):
    schedule = three_stages(4)
    plain = train("bert", "full", schedule, False, num_hidden_layers=4)
    for share in ("_MEMORY_SHARE", "_DISK_SHARE"):
        monkeypatch.setattr(hidden_states, share, 0.0)
    with caplog.at_level("INFO", logger="progsearch"):
        found = train("bert", "full", schedule, True, num_hidden_layers=4)
    torch.testing.assert_close(found, plain, **TOLERANCE)
    # Once for each depth of the training and of the validation data.
    said = [message for message in caplog.messages if "has no room" in message]
    assert len(said) == 4
    assert said[0].startswith("prefix cache of ")
    assert said[0].endswith("so the frozen blocks run without gradients instead")


def test_a_cache_without_room_gives_back_that_of_fewer_blocks(monkeypatch):
    stages = (
        Stage(0.0, 0.5, (2, 3), embeddings=False),
        Stage(0.5, 1.0, (3,), embeddings=False),
    )
    engine, model = tiny_engine(Schedule(4, stages), epochs=4)
    engine.advance(engine.total_steps // 2)
    assert shortcut(engine, prefix.FrozenPrefix)._states
    for share in ("_MEMORY_SHARE", "_DISK_SHARE"):
        monkeypatch.setattr(hidden_states, share, 0.0)
    engine.advance(engine.total_steps)
    assert not shortcut(engine, prefix.FrozenPrefix)._states
    plain, other = tiny_engine(Schedule(4, stages), epochs=4, prefix_cache=False)
    plain.advance(plain.total_steps)
    torch.testing.assert_close(weights(model), weights(other), **TOLERANCE)


def test_a_prefix_that_is_never_trained_is_computed_once_for_all_runs(tmp_path, by_hand):
    store = Store(tmp_path, budget=10**9)

    def run(schedule, store):
        calls = []
        engine, model = tiny_engine(schedule, four_block_bert(), store=store)
        attention = model.get_submodule(find_anatomy(model).blocks[1]).attention
        attention.register_forward_hook(
            lambda module, inputs, output: calls.append(len(inputs[0]))
        )
        engine.advance(engine.total_steps)
        return weights(model), sum(calls)

    first, first_calls = run(Schedule.last_blocks(4, 2), store)
    second, second_calls = run(Schedule.last_blocks(4, 2), store)
    assert (first_calls, second_calls) == (len(tiny_split()), 0)
    torch.testing.assert_close(second, first, **TOLERANCE)
    # One that freezes more starts from what is there.
    deeper, deeper_calls = run(Schedule.last_blocks(4, 1), store)
    assert deeper_calls == 0
    torch.testing.assert_close(deeper, run(Schedule.last_blocks(4, 1), None)[0], **TOLERANCE)


def frozen_from_the_second_third(n_frozen):
    stages = three_stages(3).stages
    later = Stage(1 / 3, 1.0, tuple(range(n_frozen, 3)), embeddings=False)
    return Schedule(3, (stages[0], later))


def count_examples(run, block):
    """Examples that pass a block of the run, one number per batch."""
    passed = []
    run.model.bert.encoder.layer[block].attention.register_forward_hook(
        lambda module, inputs, output: passed.append(len(inputs[0]))
    )
    return passed


def test_a_prefix_that_was_trained_alike_is_computed_once_for_all_runs(by_hand, files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    alone = TrainingRun.from_config(config_of(files, frozen_from_the_second_third(2)))
    alone_records, _ = finish(alone)
    finish(TrainingRun.from_config(config_of(files, frozen_from_the_second_third(1)), store=store))
    run = TrainingRun.from_config(config_of(files, frozen_from_the_second_third(2)), store=store)
    first, second = count_examples(run, 0), count_examples(run, 1)
    records, _ = finish(run)
    # The first third is known whole; block 0 was frozen there, block 1 is run once an example.
    assert (sum(first), sum(second)) == (0, len(run.task.train) + len(run.task.validation))
    assert [r.metrics for r in records] == [r.metrics for r in alone_records]
    torch.testing.assert_close(weights(run.model), weights(alone.model), **TOLERANCE)


def test_a_prefix_that_was_trained_otherwise_is_not_shared(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    schedule = frozen_from_the_second_third(1)
    finish(TrainingRun.from_config(config_of(files, schedule, learning_rate=5e-3), store=store))
    run = TrainingRun.from_config(config_of(files, schedule), store=store)
    passed = count_examples(run, 0)
    finish(run)
    alone = TrainingRun.from_config(config_of(files, schedule))
    expected = count_examples(alone, 0)
    finish(alone)
    assert sum(passed) == sum(expected) > 0
    torch.testing.assert_close(weights(run.model), weights(alone.model), **TOLERANCE)


def test_states_that_are_larger_than_a_trained_segment_are_not_shared(
    files, tmp_path, monkeypatch
):
    schedule = frozen_from_the_second_third(1)

    def stored(folder):
        finish(
            TrainingRun.from_config(config_of(files, schedule), store=Store(folder, budget=10**9))
        )
        return len(list(folder.glob("*.safetensors")))

    for name in ("all", "few"):
        (tmp_path / name).mkdir()
    every = stored(tmp_path / "all")
    monkeypatch.setattr(prefix, "_SHARED_TIMES_MODEL", 0)
    assert stored(tmp_path / "few") == every - 2  # those of the training and validation data
