"""Cache, reuse and shortcuts change no number of any type, whatever the schedule."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from progsearch.engine.shortcuts.base import Shortcut
from tests.support.runs import changed, three_stages, tiny_engine, weights
from tests.support.schedules import schedules
from tests.support.types import CASES, model_of, split_of, that_matter

# Products of other shapes round differently.
TOLERANCE: dict[str, Any] = {"rtol": 1e-4, "atol": 2e-5}
METHODS = ("full", "lora")


def trained(case, method, schedule, **given):
    engine, model = tiny_engine(
        schedule,
        model_of(*case),
        split=split_of(case[0]),
        method=method,
        **{"learning_rate": 1e-3, "epochs": 2} | given,
    )
    engine.advance(engine.total_steps)
    engine.finish()
    return weights(model)


def assert_same_with_and_without(case, method, schedule):
    plain = trained(case, method, schedule, without=[Shortcut])
    found = trained(case, method, schedule, rows=True)
    matter = (that_matter(case[0], weights) for weights in (found, plain))
    torch.testing.assert_close(*matter, **TOLERANCE)


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(CASES), st.sampled_from(METHODS), schedules(6))
def test_any_schedule_trains_the_same_with_all_shortcuts(case, method, schedule):
    assert_same_with_and_without(case, method, schedule)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES, ids="-".join)
@settings(max_examples=5, deadline=None)
@given(schedules(6))
def test_any_schedule_of_each_type_trains_the_same(case, method, schedule):
    assert_same_with_and_without(case, method, schedule)


@settings(max_examples=4, deadline=None)
@given(st.sampled_from(CASES), st.sampled_from(METHODS), st.integers(1, 8))
def test_a_restored_engine_reaches_the_same_bits(case, method, cut):
    """Stored steps of every type are those that would be trained."""

    def engine_of():
        return tiny_engine(
            three_stages(3),
            model_of(*case),
            split=split_of(case[0]),
            method=method,
            prefix_cache=False,
        )

    whole, model = engine_of()
    whole.advance(whole.total_steps)
    first, _ = engine_of()
    first.advance(cut)
    names = first.trained_names(0, cut)
    state = {name: tensor.clone() for name, tensor in first.state(names).items()}
    second, resumed = engine_of()
    second.restore(cut, [state])
    second.advance(second.total_steps)
    assert not changed(weights(model), weights(resumed))
