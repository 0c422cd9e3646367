import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
