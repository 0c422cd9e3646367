"""Shortcuts change no number of multiple choice, whose rows are several sequences."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from progsearch.config import method_of
from progsearch.engine.shortcuts.check import check_shortcuts
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from tests.support.runs import (
    shortcut,
    three_stages,
    tiny_choice_split,
    tiny_engine,
    weights,
)
from tests.support.tiny import tiny_model

HEAD = "AutoModelForMultipleChoice"
ARCHITECTURES = ["bert", "roberta", "distilbert", "electra"]
TOLERANCE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}
# What is added to the scores of all choices changes no loss: see the tests of spans. Nor does
# what is added to the scores of all keys.
NOISE = ("classifier.bias", "key.bias", "k_lin.bias")


def choice_model(architecture):
    """Without dropout, of which fewer random numbers are drawn if the head reads one token."""
    model = tiny_model(architecture, auto_class=HEAD, pad_token_id=0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def train(architecture, method, schedule, **settings):
    split, predictions = tiny_choice_split(), []
    engine, model = tiny_engine(
        *(schedule, choice_model(architecture)),
        split=split,
        method=method,
        learning_rate=1e-3,
        **settings,
    )
    while engine.step < engine.total_steps:
        engine.advance(engine.step + engine.steps_per_epoch)
        scores = engine.predict(split)
        predictions.append(scores - scores.mean(dim=1, keepdim=True))
    engine.finish()
    matter = {n: w for n, w in weights(model).items() if not n.endswith(NOISE)}
    return matter, torch.stack(predictions)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_shortcuts_change_no_number(architecture, method):
    plain = train(architecture, method, three_stages(3), prefix_cache=False, without=[HeadToken])
    fast = train(architecture, method, three_stages(3), rows=True)
    torch.testing.assert_close(fast, plain, **TOLERANCE)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_random_schedules_train_alike_with_and_without_the_cache(starts):
    bounds = [i / len(starts) for i in range(len(starts) + 1)]
    stages = tuple(
        Stage(a, b, tuple(range(first, 3)), embeddings=False)
        for (a, b), first in zip(itertools.pairwise(bounds), starts, strict=True)
    )
    plain = train("bert", "full", Schedule(3, stages), prefix_cache=False)
    fast = train("bert", "full", Schedule(3, stages))
    torch.testing.assert_close(fast, plain, **TOLERANCE)


def test_the_cache_holds_one_state_per_sequence_below_the_head():
    split = tiny_choice_split()
    model = tiny_model("bert", auto_class=HEAD)
    engine, _ = tiny_engine(Schedule.last_blocks(3, 0), model, split=split)
    engine.advance(1)
    assert shortcut(engine, HeadToken).position == "first"
    (states,) = shortcut(engine, FrozenPrefix)._states[split]
    # Two more rows serve as padding.
    assert len(states.states) == 3 * len(split) + 2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_check_finds_no_fault(architecture):
    model = tiny_model(architecture, auto_class=HEAD, pad_token_id=0)
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of("full"))
    check = check_shortcuts(model, anatomy, trainable, tiny_choice_split(), each=True)
    assert check.left_out == ()
