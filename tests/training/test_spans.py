"""Question answering in the user's own Trainer, and the loss without padding."""

from typing import Any

import pytest
import torch

from progsearch.models.anatomy import find_anatomy
from progsearch.models.head import Head
from progsearch.models.loading import load_model
from progsearch.models.span_loss import SPAN, leave_out_padding
from progsearch.schedule import Schedule
from progsearch.tasks.split import batch_units
from tests.support.runs import three_stages, tiny_engine, tiny_span_split, weights
from tests.support.tiny import save_tiny, tiny_model
from tests.support.trainers import NO_DROPOUT, trainer_for


def span_model(architecture, **settings):
    return tiny_model(architecture, auto_class=SPAN, pad_token_id=0, **settings)


# Biases that are added to the scores of all tokens; see tests/engine/shortcuts/test_spans.py.
def mattering(model):
    all_tokens = ("qa_outputs.bias", "layer.2.output.LayerNorm.bias")
    return {n: w for n, w in weights(model).items() if not n.endswith(all_tokens)}


@pytest.mark.parametrize("architecture", ["bert", "llama", "qwen3"])
def test_trainer_with_the_callback_reaches_the_engines_weights(architecture, tmp_path, caplog):
    caplog.set_level("INFO")
    settings: dict[str, Any] = NO_DROPOUT if architecture == "bert" else {}
    schedule, ours = three_stages(3), span_model(architecture, **settings)
    leave_out_padding(ours)
    engine, ours = tiny_engine(schedule, ours, split=tiny_span_split())
    engine.advance(engine.total_steps)
    theirs = span_model(architecture, **settings)
    trainer_for(theirs, schedule, tmp_path, split=tiny_span_split()).train()
    torch.testing.assert_close(mattering(theirs), mattering(ours), rtol=0, atol=1e-5)
    assert "padding is left out of the loss" in caplog.text
    # The user's model is left as it was.
    assert not theirs._forward_hooks


def test_trainer_accumulates_as_the_engine_does(tmp_path):
    schedule, ours = three_stages(3), span_model("bert", **NO_DROPOUT)
    leave_out_padding(ours)
    split, accumulation = tiny_span_split(), {"gradient_accumulation_steps": 2}
    engine, ours = tiny_engine(schedule, ours, split=split, batch_size=4, gradient_accumulation=2)
    engine.advance(engine.total_steps)
    theirs = span_model("bert", **NO_DROPOUT)
    trainer_for(theirs, schedule, tmp_path, batch_size=4, split=split, **accumulation).train()
    torch.testing.assert_close(mattering(theirs), mattering(ours), rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_the_loss_of_a_window_does_not_depend_on_those_beside_it(architecture):
    model, split = span_model(architecture), tiny_span_split()
    leave_out_padding(model)
    with torch.no_grad():
        together = model(**split.batch(range(8))).loss
        alone = [model(**split.batch([row])).loss for row in range(8)]
    torch.testing.assert_close(together, torch.stack(alone).mean())
    # Where nothing is padded, it is the loss of transformers to the last bit.
    plain = span_model(architecture)
    with torch.no_grad():
        assert torch.equal(plain(**split.batch([0])).loss, alone[0])
        # With padding, that of transformers is another, which is why it is left out.
        assert not torch.allclose(plain(**split.batch(range(8))).loss, together, rtol=1e-4)


def test_accumulated_batches_of_unequal_lengths_make_the_step_of_one_large_batch():
    def train(**training):
        model = span_model("bert", **NO_DROPOUT)
        leave_out_padding(model)
        split = tiny_span_split(16)
        engine, model = tiny_engine(
            Schedule.full(3), model, split=split, epochs=2, learning_rate=1e-3, **training
        )
        engine.advance(engine.total_steps)
        return mattering(model)

    whole = train(batch_size=16)
    parts = train(batch_size=4, gradient_accumulation=4)
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-4)


def test_loaded_models_leave_padding_out(tmp_path):
    folder = str(save_tiny(tmp_path / "model"))
    split = tiny_span_split()
    split._ids %= 7
    head = Head(2, auto_class=SPAN)
    with torch.no_grad():
        model = load_model(folder, head)
        together = model(**split.batch(range(8))).loss
        alone = [model(**split.batch([row])).loss for row in range(8)]
    torch.testing.assert_close(together, torch.stack(alone).mean())
    assert batch_units(split.batch(range(8))) == 8
    assert find_anatomy(model).n_blocks == 3
