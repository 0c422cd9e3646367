from typing import Any

import pytest
import torch
import transformers
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from progsearch.config import method_of
from progsearch.engine.shortcuts import head_token
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.architectures import ARCHITECTURES, Architecture
from progsearch.schedule import Schedule
from progsearch.store import Store
from tests.support.runs import (
    DEVICE,
    four_block_bert,
    shortcut,
    tiny_engine,
    tiny_split,
    weights,
)
from tests.support.tiny import TINY, tiny_model

# Products of other shapes round differently; nothing else may differ.
TOLERANCE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-6}
DECODERS = {"gpt2", "gpt_neox", "opt", "llama", "qwen2", "qwen3", "gemma", "gemma2"}
# Its layers after attention work on tokens of all examples in one row.
WHOLE = {"opt"}
# Weights of a layer between the hidden states and the feed-forward's width.
FEED_FORWARD = {32 * 48, 32 * 128}
# Those compute attention by hand.
OWN_ATTENTION = {"mpnet", "deberta-v2", "gemma2"}


def with_method(architecture, method, **overrides):
    model = tiny_model(architecture, **overrides).to(DEVICE)
    anatomy = find_anatomy(model)
    apply_method(model, anatomy, method_of(method), seed=0)
    model.requires_grad_(True)
    return model, anatomy


def gradients(model, batch):
    model.zero_grad()
    output = model(**batch)
    output.loss.backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return output.logits.detach(), found


def assert_same_function(model, anatomy, split=None):
    if split is None:
        split = tiny_split(pad_id=model.config.pad_token_id)
    batch = split.batch(range(6), DEVICE)
    logits, expected = gradients(model, batch)
    token = HeadToken.found(model, anatomy, split)
    with token.alone(batch["input_ids"]):
        narrow_logits, narrow = gradients(model, batch)
    torch.testing.assert_close(narrow_logits, logits, **TOLERANCE)
    assert narrow.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(narrow[name], gradient, **TOLERANCE, msg=name)
    return token


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_logits_and_gradients_are_those_of_the_whole_model(architecture):
    token = assert_same_function(*with_method(architecture, "full"))
    assert token.position == ("last" if architecture in DECODERS else "first")


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_they_are_so_without_padding(architecture):
    """Where transformers leaves the mask out, and a decoder's attention is causal by a flag."""
    model, anatomy = with_method(architecture, "full")
    split = tiny_split(pad_id=model.config.pad_token_id)
    split.lengths[:] = split.lengths.min()
    assert_same_function(model, anatomy, split)


@pytest.mark.parametrize("kind", ["XLMRoberta", "Camembert", "Mistral"])
def test_they_are_so_for_models_that_are_built_like_others(kind):
    like = tiny_model("llama" if kind == "Mistral" else "roberta").config.to_dict()
    for name in ("model_type", "architectures"):
        like.pop(name)
    config = getattr(transformers, f"{kind}Config")(**like)
    assert ARCHITECTURES[config.model_type].after_attention
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval().to(DEVICE)
    token = assert_same_function(model, find_anatomy(model))
    assert token.position == ("last" if kind == "Mistral" else "first")


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "gpt2"])
@pytest.mark.parametrize("method", ["lora", "adapter", "bitfit"])
def test_they_are_so_under_other_methods(architecture, method):
    assert_same_function(*with_method(architecture, method))


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_the_last_feed_forward_sees_one_token_per_example(architecture):
    model, anatomy = with_method(architecture, "full")
    split = tiny_split(pad_id=model.config.pad_token_id)
    batch = split.batch(range(6), DEVICE)
    seen = []
    layers = [
        module
        for module in model.get_submodule(anatomy.blocks[-1]).modules()
        if getattr(module, "weight", torch.empty(0)).numel() in FEED_FORWARD
    ]
    assert layers
    token = HeadToken.found(model, anatomy, split)
    for layer in layers:
        layer.register_forward_hook(lambda module, inputs, output: seen.append(output[..., 0]))
    with token.alone(batch["input_ids"]):
        model(**batch)
    tokens = batch["input_ids"].numel() if architecture in WHOLE else len(batch["labels"])
    assert {states.numel() for states in seen} == {tokens}


class _Queries(TorchFunctionMode):
    """Counts the queries of each attention."""

    def __init__(self):
        super().__init__()
        self.counts = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.scaled_dot_product_attention:
            self.counts.append(args[0].shape[-2])
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_the_last_attention_has_one_query_per_example(architecture):
    model, anatomy = with_method(architecture, "full")
    split = tiny_split(pad_id=model.config.pad_token_id)
    batch = split.batch(range(6), DEVICE)
    token = HeadToken.found(model, anatomy, split)
    with token.alone(batch["input_ids"]), _Queries() as queries:
        model(**batch)
    width = batch["input_ids"].shape[1]
    expected = [width, width, width if architecture in WHOLE else 1]
    assert queries.counts == ([] if architecture in OWN_ATTENTION else expected)


def test_a_head_that_reads_all_tokens_gets_all_of_them(caplog):
    caplog.set_level("INFO", logger="progsearch")
    model, anatomy = with_method("modernbert", "full", classifier_pooling="mean")
    assert assert_same_function(model, anatomy).position is None
    # Nothing is lost that the user could have, so there is nothing to say.
    assert "the last block computes all tokens" not in caplog.text


def test_outside_of_a_pass_the_model_is_as_it_was():
    engine, model = tiny_engine(Schedule.full(4), epochs=1)
    engine.advance(engine.total_steps)
    batch = tiny_split().batch(range(6), DEVICE)
    hidden = model.bert(batch["input_ids"], batch["attention_mask"]).last_hidden_state
    assert hidden.shape == (6, batch["input_ids"].shape[1], 32)


@pytest.mark.parametrize("architecture", ["bert", "modernbert", "llama", "opt"])
def test_training_with_and_without_it_gives_the_same_weights(architecture, monkeypatch):
    schedule = Schedule.last_blocks(3, 2)

    def train(**overrides):
        model = tiny_model(architecture, **overrides)
        engine, model = tiny_engine(schedule, model, learning_rate=1e-3)
        engine.advance(engine.total_steps)
        validation = tiny_split(seed=9, pad_id=model.config.pad_token_id)
        return weights(model), engine.predict(validation)

    dropout = {"bert": ["hidden_dropout_prob", "attention_probs_dropout_prob"], "opt": ["dropout"]}
    off = dict.fromkeys(dropout.get(architecture, []), 0.0)
    narrow = train(**off)
    unknown = Architecture(architecture, architecture)
    monkeypatch.setattr(head_token, "architecture_of", lambda model: unknown)
    torch.testing.assert_close(narrow, train(**off), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_where_only_the_head_is_trained_one_state_per_example_is_kept(architecture, tmp_path):
    store = Store(tmp_path, budget=10**9)
    model = tiny_model(architecture)
    engine, _ = tiny_engine(Schedule.last_blocks(3, 0), model, store=store)
    engine.advance(engine.total_steps)
    (known,) = shortcut(engine, FrozenPrefix)._states.values()
    assert [states.depth for states in known] == [3]
    # Two more for padding.
    assert len(known[0].states) == len(tiny_split()) + 2


def test_examples_may_all_be_as_long_as_the_model_allows():
    split = tiny_split(pad_id=0)
    split.lengths[:] = split.lengths.min()
    model, anatomy = with_method("llama", "full")
    assert HeadToken.found(model, anatomy, split).position == "last"
    bert = four_block_bert(max_position_embeddings=int(split.lengths[0])).to(DEVICE)
    assert HeadToken.found(bert, find_anatomy(bert), split).position == "first"


def test_where_tokens_of_all_examples_lie_in_one_row_the_block_is_left_as_it_is():
    model, anatomy = with_method("bert", "full")
    last = model.get_submodule(anatomy.blocks[-1])
    last.register_forward_hook(lambda module, inputs, output: output.flatten(0, 1))
    model.bert.pooler.register_forward_pre_hook(lambda module, inputs: (inputs[0][None],))
    assert HeadToken.found(model, anatomy, tiny_split()).position is None
