import random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from progsearch import Schedule, Stage
from progsearch.schedule.history import rescored_keys, segment_ends, segment_keys
from progsearch.store import Store
from progsearch.training.segments import (
    Segment,
    get_segment,
    load_chain,
    put_segment,
)
from tests.support.runs import changed, four_block_bert, three_stages, tiny_engine, weights

SEGMENT = Segment(None, 4, {"accuracy": 0.5}, 1.0, 0.1, 100)


def test_a_segment_comes_back_with_its_chain(tmp_path):
    store = Store(tmp_path, budget=10_000)
    second = Segment("one", 8, None, 1.0, 0.0, 100)
    put_segment(store, "one", SEGMENT, {"weight:a": torch.zeros(1)})
    put_segment(store, "two", second, {"weight:b": torch.ones(1)})
    assert get_segment(store, "one") == SEGMENT
    assert get_segment(store, "two") == second
    chain = load_chain(store, "two", ["a", "b"])
    assert [list(tensors) for tensors in chain] == [["weight:b"], ["weight:a"]]
    # What lies before a segment that trained all there is need not be there.
    store.remove("one")
    assert [list(tensors) for tensors in load_chain(store, "two", ["b"])] == [["weight:b"]]


def test_a_missing_link_breaks_the_chain(tmp_path):
    store = Store(tmp_path, budget=10_000)
    put_segment(store, "one", SEGMENT, {"weight:a": torch.zeros(1)})
    put_segment(store, "two", Segment("one", 8, None, 1.0, 0.0, 1), {"weight:b": torch.ones(1)})
    store.remove("one")
    assert load_chain(store, "two", ["a", "b"]) is None


# -- keys: what is shared is what must be shared ---------------------------------------------


def keys_of(schedule, root=(), total_steps=12, steps_per_epoch=4):
    ends = segment_ends(schedule, total_steps, steps_per_epoch)
    return dict(zip(ends, segment_keys(root, schedule, total_steps, ends), strict=True))


def trained_parts(schedule, end, total_steps=12):
    """What is trained at each step up to ``end``."""
    return [
        stage.trains
        for first, last, stage in schedule.spans(total_steps)
        for step in range(first, last)
        if step < end
    ]


schedules = st.lists(
    st.tuples(st.sampled_from([(0, 1), (1,), ()]), st.booleans()), min_size=1, max_size=4
).map(
    lambda stages: Schedule(
        2,
        tuple(
            Stage(i / len(stages), (i + 1) / len(stages), blocks, embeddings)
            for i, (blocks, embeddings) in enumerate(stages)
        ),
    )
)


@given(schedules, schedules)
def test_two_runs_share_a_segment_exactly_where_their_steps_so_far_are_the_same(one, other):
    keys, other_keys = keys_of(one), keys_of(other)
    for end, key in keys.items():
        for other_end, other_key in other_keys.items():
            same = trained_parts(one, end) == trained_parts(other, other_end)
            assert (key == other_key) == same


def test_all_that_determines_the_weights_is_in_the_key():
    assert keys_of(Schedule.full(2), root=("seed", 0)) != keys_of(
        Schedule.full(2), root=("seed", 1)
    )


def realised(schedule, metric):
    """What is trained where scores follow from the metric and the steps before, in any way."""
    for first, stage in schedule.stages_to_rescore(12).items():
        generator = random.Random(repr((metric, trained_parts(schedule, first))))
        schedule = schedule.rescored(stage, [generator.random() for _ in range(2)])
    return schedule


def rescored_keys_of(schedule, metric):
    ends = segment_ends(schedule, 12, 4, rescore=True)
    return dict(zip(ends, rescored_keys((), schedule, 12, ends, metric), strict=True))


@given(schedules, schedules, st.sampled_from(["one metric", "another", None]))
def test_runs_that_choose_their_blocks_have_equal_keys_only_where_their_steps_are_the_same(
    one, other, metric
):
    keys = rescored_keys_of(one, "one metric")
    other_keys = rescored_keys_of(other, metric) if metric else keys_of(other)
    one, other = realised(one, "one metric"), realised(other, metric) if metric else other
    for end, key in keys.items():
        for other_end, other_key in other_keys.items():
            if key == other_key:
                assert trained_parts(one, end) == trained_parts(other, other_end)


@given(schedules)
def test_up_to_its_first_choice_a_run_shares_with_those_that_choose_nothing(schedule):
    first_choice = min(schedule.stages_to_rescore(12), default=12)
    keys, fixed = rescored_keys_of(schedule, "a metric"), keys_of(schedule)
    for end in keys.keys() & fixed.keys():
        assert (keys[end] == fixed[end]) == (end <= first_choice)


def test_equal_neighbours_may_come_apart_when_they_choose_their_blocks():
    stages = (Stage(0.0, 0.25, (1,), embeddings=False), Stage(0.25, 1.0, (1,), embeddings=False))
    schedule = Schedule(2, stages)
    assert segment_ends(schedule, 12, 4) == [4, 8, 12]
    assert segment_ends(schedule, 12, 4, rescore=True) == [3, 4, 8, 12]


# -- the engine goes on from a stored state as if it had never stopped -----------------------


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 8), st.sampled_from(["full", "lora", "adapter"]))
def test_a_restored_engine_reaches_the_same_bits(cut, method):
    schedule = three_stages(4)
    whole, model = tiny_engine(schedule, four_block_bert(), method=method, prefix_cache=False)
    whole.advance(whole.total_steps)

    first, _ = tiny_engine(schedule, four_block_bert(), method=method, prefix_cache=False)
    chain, before = [], 0
    for end in sorted({min(cut, 3), cut}):
        first.advance(end)
        state = first.state(first.trained_names(before, end))
        chain.insert(0, {name: tensor.clone() for name, tensor in state.items()})
        before = end
    second, resumed = tiny_engine(schedule, four_block_bert(), method=method, prefix_cache=False)
    second.restore(cut, chain)
    second.advance(second.total_steps)
    assert not changed(weights(model), weights(resumed))
