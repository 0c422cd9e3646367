"""Shortcuts change no number of question answering, whose head reads all tokens."""

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
from progsearch.models.span_loss import SPAN, leave_out_padding
from progsearch.schedule import Schedule, Stage
from progsearch.tasks.types.span import Span
from tests.support.runs import shortcut, three_stages, tiny_engine, tiny_span_split, weights
from tests.support.tiny import tiny_model

ARCHITECTURES = ["bert", "llama", "qwen3"]
TOLERANCE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}


def span_model(architecture):
    model = tiny_model(architecture, auto_class=SPAN, pad_token_id=0)
    leave_out_padding(model)
    return model


def train(architecture, method, schedule, **settings):
    """The weights and the predictions after each epoch, up to what does not matter.

    A number that is added to the scores of all tokens changes no loss. So the gradients of these
    biases are zero but for rounding, of which Adam makes steps as large as any.
    """
    split, predictions = tiny_span_split(), []
    engine, model = tiny_engine(
        *(schedule, span_model(architecture)),
        split=split,
        method=method,
        learning_rate=1e-3,
        **settings,
    )
    while engine.step < engine.total_steps:
        engine.advance(engine.step + engine.steps_per_epoch)
        scores = engine.predict(split, Span().keep)
        predictions.append(scores - scores.mean(dim=0))
    engine.finish()
    all_tokens = ("qa_outputs.bias", "layer.2.output.LayerNorm.bias")
    matter = {n: w for n, w in weights(model).items() if not n.endswith(all_tokens)}
    return matter, torch.stack(predictions)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_shortcuts_change_no_number(architecture, method):
    plain = train(architecture, method, three_stages(3), prefix_cache=False, without=[HeadToken])
    fast = train(architecture, method, three_stages(3), rows=True)
    torch.testing.assert_close(fast, plain, **TOLERANCE)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.sampled_from(ARCHITECTURES))
def test_random_schedules_train_alike_with_and_without_the_cache(starts, architecture):
    bounds = [i / len(starts) for i in range(len(starts) + 1)]
    stages = tuple(
        Stage(a, b, tuple(range(first, 3)), embeddings=False)
        for (a, b), first in zip(itertools.pairwise(bounds), starts, strict=True)
    )
    plain = train(architecture, "full", Schedule(3, stages), prefix_cache=False)
    fast = train(architecture, "full", Schedule(3, stages))
    torch.testing.assert_close(fast, plain, **TOLERANCE)


def test_the_cache_holds_the_states_of_all_tokens_even_below_the_head():
    split = tiny_span_split()
    model = span_model("bert")
    engine, _ = tiny_engine(Schedule.last_blocks(3, 0), model, split=split)
    engine.advance(1)
    (states,) = shortcut(engine, FrozenPrefix)._states[split]
    assert states.depth == 3
    # Two more rows serve as padding.
    assert len(states.states) == split.lengths.sum() + 2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_check_finds_no_fault(architecture):
    model = span_model(architecture)
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of("full"))
    check = check_shortcuts(model, anatomy, trainable, tiny_span_split(), Span().keep, each=True)
    assert check.left_out == ()
