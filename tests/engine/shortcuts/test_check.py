"""Shortcuts that would change numbers are detected before training and disabled."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from progsearch.config import method_of
from progsearch.engine.freezer import Freezer
from progsearch.engine.shortcuts import check as checking
from progsearch.engine.shortcuts import head_token, usual
from progsearch.engine.shortcuts.check import CHECKED, check_shortcuts
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps
from progsearch.engine.shortcuts.target_tokens import TargetTokens
from progsearch.errors import MetricError, ModelError
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.architectures import Architecture
from progsearch.schedule import Schedule
from progsearch.tasks import Split
from tests.support.runs import DEVICE, shortcut, tiny_engine, tiny_split, weights
from tests.support.tiny import TINY, tiny_model

# Products of tensors with other shapes round differently.
TOLERANCE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-6}
PAD = 2
ON_GPU = DEVICE.type == "cuda"
LIKE_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
SIZES: dict[str, dict[str, Any]] = {
    "BioGpt": LIKE_BERT,
    "Starcoder2": {**LIKE_BERT, "num_key_value_heads": 1, "embedding_dropout": 0.3},
    "XLNet": {"d_model": 32, "n_layer": 3, "n_head": 2, "d_inner": 48},
    "FNet": {"hidden_size": 32, "num_hidden_layers": 3, "intermediate_size": 48},
    "ConvBert": {**LIKE_BERT, "num_attention_heads": 4, "embedding_size": 32},
    "Longformer": {**LIKE_BERT, "attention_window": 4},
}


def other(kind, **overrides):
    """A tiny model of another architecture than the common test models."""
    fields = {"vocab_size": 64, "pad_token_id": PAD, **SIZES[kind], **overrides}
    config = getattr(transformers, f"{kind}Config")(**fields)
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    return model.eval().to(DEVICE)


def with_ends(pad_id=PAD, n_examples=24):
    """Half of the rows end with the padding token, and a quarter with two of them."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(4, 12, size=n_examples)
    ids = generator.integers(5, 64, size=lengths.sum())
    last = np.cumsum(lengths) - 1
    ids[last[::2]] = ids[last[::4] - 1] = pad_id
    ids[last[1::8] - 2] = pad_id
    labels = generator.integers(0, 2, size=n_examples)
    return Split(ids, lengths, {"labels": labels}, pad_id=pad_id)


def checked(model, split=None, method="full", **settings):
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of(method), seed=0)
    split = tiny_split(pad_id=model.config.pad_token_id) if split is None else split
    return check_shortcuts(model.to(DEVICE), anatomy, trainable, split, **settings)


def plain_logits(model, split):
    with torch.no_grad():
        return torch.cat(
            [model(**split.batch(rows, DEVICE)).logits for rows in np.split(np.arange(24), 4)]
        ).cpu()


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("architecture", sorted(TINY))
def test_a_tested_architecture_takes_all_shortcuts(architecture, method):
    found = checked(TINY[architecture](), method=method)
    assert found.left_out == () and found.notes == {}
    assert found.padding < 1e-5
    assert all(f.outputs < 1e-5 and f.gradients < 1e-4 for f in found.findings)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2", "opt"])
@pytest.mark.parametrize("trained", [0, 1])
def test_a_head_that_goes_by_the_padding_token_is_given_the_same_token(architecture, trained):
    """A text may end with the padding token, which is the end-of-text token in GPT-2 and Llama."""
    split = with_ends()

    def train(**settings):
        # Dropout would draw random numbers for fewer tokens.
        off = {"gpt2": ["resid_pdrop", "embd_pdrop", "attn_pdrop"], "opt": ["dropout"]}
        dropout: dict[str, Any] = dict.fromkeys(off.get(architecture, []), 0.0)
        model = tiny_model(architecture, pad_token_id=PAD, eos_token_id=PAD, **dropout)
        schedule = Schedule.last_blocks(3, trained)
        engine, model = tiny_engine(schedule, model, split=split, learning_rate=1e-3, **settings)
        engine.advance(engine.total_steps)
        predicted = engine.predict(split)
        model.eval()
        torch.testing.assert_close(predicted, plain_logits(model, split), **TOLERANCE)
        return weights(model), predicted

    model = tiny_model(architecture, pad_token_id=PAD, eos_token_id=PAD)
    assert not checked(model, split, each=True).left_out
    for settings in ({}, {"prefix_cache": False}):
        torch.testing.assert_close(train(**settings), train(without=CHECKED), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("split", [with_ends(), tiny_split(pad_id=PAD)], ids=["ends", "none"])
@pytest.mark.parametrize("guarded", [True, False])
def test_without_the_comparison_a_wrong_shortcut_changes_numbers(monkeypatch, guarded, split):
    """The former way to find the head's token by the mask, which is wrong for some data."""
    monkeypatch.setattr(
        head_token, "_last_places", lambda ids, pad: (ids != ids[:, -1:]).sum(1, keepdim=True)
    )
    monkeypatch.setattr(head_token, "_position", lambda *arguments: "last")
    found = checked(tiny_model("llama", pad_token_id=PAD), split)
    assert found.left_out == (HeadToken,)
    assert found.notes["HeadToken"].startswith(
        "trained without the shortcut last block for the head's"
    )
    model = tiny_model("llama", pad_token_id=PAD)
    without = found.left_out if guarded else ()
    engine, model = tiny_engine(Schedule.last_blocks(3, 0), model, split=split, without=without)
    engine.advance(engine.total_steps)
    predicted = engine.predict(split)
    same = torch.allclose(predicted, plain_logits(model.eval(), split), **TOLERANCE)
    assert same == guarded


def test_a_block_that_is_narrowed_in_the_wrong_place_is_computed_whole(monkeypatch):
    wrong = Architecture("bert", "BERT", "attention")
    monkeypatch.setattr(head_token, "architecture_of", lambda model: wrong)
    found = checked(tiny_model("bert"))
    assert found.left_out == (HeadToken,)
    assert "differ" in found.notes["HeadToken"] or "Error" in found.notes["HeadToken"]


@pytest.mark.parametrize("kind", ["XLNet", "FNet"])
def test_a_model_that_reads_padding_is_refused(kind):
    with pytest.raises(ModelError, match=f"{kind}.* padded on the right .*choose a model"):
        checked(other(kind))


def test_a_model_that_reads_a_little_of_the_padding_keeps_no_states():
    found = checked(other("ConvBert"))
    assert 1e-4 < found.padding < 1e-2
    assert FrozenPrefix in found.left_out and HeadToken not in found.left_out
    assert "outputs change with padding" in found.notes["FrozenPrefix"]


@pytest.mark.parametrize("kind", ["BioGpt", "Starcoder2"])
def test_dropout_by_a_function_call_is_off_with_the_part_it_is_in(kind):
    def train(**settings):
        model = other(kind)
        engine, model = tiny_engine(Schedule.last_blocks(3, 0), model, **settings)
        engine.advance(engine.total_steps)
        return weights(model)

    assert not checked(other(kind), each=True).left_out
    torch.testing.assert_close(train(), train(prefix_cache=False), **TOLERANCE)


def test_what_holds_the_blocks_is_in_training_while_the_embeddings_are():
    model = other("BioGpt")
    engine, model = tiny_engine(Schedule.progtuning(3, 3), model)
    engine.advance(engine.total_steps)
    assert model.biogpt.training and model.training
    engine, model = tiny_engine(Schedule.last_blocks(3, 1), model)
    engine.advance(engine.total_steps)
    assert not model.biogpt.training and model.training


@pytest.mark.parametrize("kind", ["BioGpt", "Starcoder2"])
def test_frozen_blocks_that_go_on_dropping_out_are_not_cached(kind, monkeypatch):
    set_modes = Freezer.freeze_modes

    def without_holders(self):
        self._frozen_holders = []
        set_modes(self)

    monkeypatch.setattr(Freezer, "freeze_modes", without_holders)
    found = checked(other(kind))
    assert FrozenPrefix in found.left_out
    assert "from pass to pass" in found.notes["FrozenPrefix"]


def test_a_model_whose_blocks_are_given_more_than_its_text_is_trained_without_a_cache():
    found = checked(other("Longformer"))
    assert FrozenPrefix in found.left_out
    model = other("Longformer")
    schedule = Schedule.last_blocks(3, 1)
    engine, _ = tiny_engine(schedule, model, without=found.left_out)
    engine.advance(engine.total_steps)
    assert shortcut(engine, FrozenPrefix) is None


def test_a_metric_that_needs_states_by_token_says_that_there_are_none():
    from progsearch.contribution.scores import model_scores

    model = other("Longformer")
    split = tiny_split(pad_id=PAD)
    with pytest.raises(MetricError, match="cannot score it; choose metrics based on gradients"):
        model_scores(model, find_anatomy(model), split, "block_influence", seed=0)


def test_a_model_that_cannot_be_run_on_the_data_is_refused_in_one_sentence():
    model = tiny_model("bert", vocab_size=20)
    with pytest.raises(ModelError, match="BertForSequenceClassification cannot be run on this"):
        checked(model)


def test_outputs_that_are_not_finite_are_refused():
    model = tiny_model("bert")
    model.classifier.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        checked(model)


def test_shortcuts_that_are_right_alone_and_wrong_together_are_all_left_out(monkeypatch):
    together = checking._Comparison.together
    monkeypatch.setattr(checking._Comparison, "together", lambda self, kinds: None)
    found = checked(tiny_model("bert"))
    used = (k for k in CHECKED if k is not TargetTokens)
    assert found.left_out == tuple(k for k in used if k is not RecordedSteps or ON_GPU)
    assert "in combination with other shortcuts" in found.notes["HeadToken"]
    monkeypatch.setattr(checking._Comparison, "together", together)
    assert not checked(tiny_model("bert"), each=True).left_out


def test_if_the_shortcuts_are_right_together_none_is_tried_alone(monkeypatch):
    monkeypatch.setattr(checking._Comparison, "each", lambda *given: pytest.fail("not needed"))
    assert not checked(tiny_model("bert")).left_out


class Replayed(RecordedSteps):
    """Recorded steps on any device: what a recording keeps is the rows."""

    copies_rows = True

    def __init__(self, device, prefix, *, counts_targets):
        self._held = {}
        self._is_first = True

    def forget(self):
        self._held.clear()
        self._is_first = True

    def step(self, batches, rows, update):
        if self._is_first:
            self._is_first = False
            return None
        held = self._held.setdefault(batches[0].width, [row.clone() for row in rows])

        def replay():
            if self.copies_rows:
                for mine, given in zip(held, rows, strict=True):
                    mine.copy_(given)
            update(batches, [row.to(DEVICE) for row in held])

        return replay


class ReplayedWithFirstRows(Replayed):
    copies_rows = False


@pytest.fixture
def with_recorded_steps(monkeypatch):
    def patch(kind):
        monkeypatch.setattr(usual, "RecordedSteps", kind)
        monkeypatch.setattr(usual, "can_record", lambda *given: True)
        monkeypatch.setattr(checking, "can_record", lambda *given: True)

    return patch


def test_recorded_steps_are_compared_where_they_are_used(with_recorded_steps):
    with_recorded_steps(Replayed)
    found = checked(tiny_model("bert"), each=True)
    assert [finding.shortcut for finding in found.findings][-1] == "RecordedSteps"
    assert not found.left_out
    assert not checked(tiny_model("bert")).left_out


def test_recorded_steps_that_keep_what_they_were_recorded_with_are_left_out(with_recorded_steps):
    with_recorded_steps(ReplayedWithFirstRows)
    found = checked(tiny_model("bert"))
    assert found.left_out == (RecordedSteps,)
    assert "outputs would differ" in found.notes["RecordedSteps"]


@pytest.mark.skipif(ON_GPU, reason="needs a machine without a GPU")
def test_without_a_gpu_no_steps_are_recorded():
    names = {finding.shortcut for finding in checked(tiny_model("bert"), each=True).findings}
    unused = (RecordedSteps, TargetTokens)
    assert names == {kind.__name__ for kind in CHECKED if kind not in unused}
