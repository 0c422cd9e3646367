"""Which steps are recorded; that recordings repeat exactly is tested with a stand-in for a GPU."""

from typing import Any, cast
from unittest import mock

import pytest
import torch
from transformers import masking_utils

from progsearch.config import method_of
from progsearch.engine.loop import Engine
from progsearch.engine.shortcuts import target_tokens, usual
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps, _Recorded, recordable
from progsearch.internals.torch import TorchDispatchMode
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from tests.engine.test_gpu import WAITING
from tests.support.runs import changed, shortcut, three_stages, tiny_engine, weights
from tests.support.tiny import TINY, tiny_model
from tests.support.types import TYPES, model_of, split_of


def test_steps_of_those_models_are_recorded_that_are_tested(caplog):
    with caplog.at_level("INFO", logger="progsearch"):
        found = {name for name in TINY if recordable(tiny_model(name))}
    assert found == set(TINY) - set(WAITING)
    assert [message.split()[-1] for message in caplog.messages] == sorted(WAITING)


@pytest.mark.parametrize("method", ["lora", "bitfit", "adapter"])
def test_a_method_does_not_hide_what_model_it_is(method):
    model = tiny_model("bert")
    apply_method(model, find_anatomy(model), method_of(method), seed=0)
    assert recordable(model)


# -- every type, without a GPU ---------------------------------------------------------------


class Waits(TorchDispatchMode):
    """Refuses operations for which a GPU would be waited for."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "unique"), name
        return func(*args, **(kwargs or {}))


own_forward = Engine._forward


def unread(engine, batch, rows):
    """A forward pass of a recording, in which transformers does not read the mask."""
    # The optimizer has other code for CPUs, which waits.
    with mock.patch.object(masking_utils, "is_tracing", lambda tensor: True), Waits():
        return own_forward(engine, batch, rows)


class Repeated:
    """In place of a CUDA graph: repeats a step with all that it was recorded with but its rows."""

    def __init__(self, step, rows):
        self._step, self._rows = step, rows

    def replay(self):
        with mock.patch.object(Engine, "_forward", unread):
            self._step(self._rows)


class Emulated(RecordedSteps):
    """Recorded steps of a CPU."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.replayed = 0

    def step(self, batches, rows, update):
        found = super().step(batches, rows, update)
        self.replayed += found is not None
        return found

    def _record(self, key, rows, step):
        held = [row.clone() for row in rows]
        self._recorded[key] = _Recorded(cast(Any, Repeated(step, held)), held)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("tests/engine/test_gpu.py records real steps")
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(target_tokens, "_places", target_tokens.filled_places)
    monkeypatch.setattr(usual, "RecordedSteps", Emulated)
    monkeypatch.setattr(usual, "can_record", lambda model, precision: True)
    monkeypatch.setattr(FrozenPrefix, "on_device", lambda self, batch: True)


def with_and_without(kind, accumulation, recording):
    """The engine that records, and the weights of training with and without recording."""
    found = {}
    for without in ((recording,), ()):
        model = model_of(kind, "llama" if kind == "causal-lm" else "bert")
        engine, model = tiny_engine(
            three_stages(3),
            model,
            split=split_of(kind, 64),
            without=without,
            batch_size=4,
            gradient_accumulation=accumulation,
            epochs=2,
        )
        engine._data._has_few_widths = True
        engine.advance(engine.total_steps)
        found[without] = weights(model)
    return engine, *found.values()


@pytest.mark.parametrize(
    ("kind", "accumulation"),
    [*((kind, 1) for kind in TYPES), ("tokens", 2), ("multiple-choice", 2), ("causal-lm", 2)],
)
def test_a_recorded_step_of_every_type_repeats_with_other_rows(kind, accumulation, as_on_a_gpu):
    engine, plain, recorded = with_and_without(kind, accumulation, Emulated)
    steps = shortcut(engine, Emulated)
    # Most shapes come again, so that recording pays.
    assert steps.replayed > engine.total_steps / 2
    assert len(steps._recorded) < engine.total_steps / 3
    assert not changed(plain, recorded)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("accumulation", [1, 2])
def test_recorded_steps_of_every_type_give_the_bits_of_others(kind, accumulation):
    engine, plain, recorded = with_and_without(kind, accumulation, RecordedSteps)
    steps = shortcut(engine, RecordedSteps)
    assert steps._usable
    assert steps._recorded
    assert not changed(plain, recorded)
