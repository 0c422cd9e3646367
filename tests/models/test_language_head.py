"""A language model's head is pre-trained; a tied token table belongs to the embeddings."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from progsearch.config import method_of
from progsearch.errors import ModelError
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.head import CAUSAL, Head
from progsearch.models.language_head import (
    check_causal,
    fit_to_tokenizer,
    language_head,
    tied_table,
)
from progsearch.models.loading import load_model
from progsearch.schedule import Stage
from tests.support.language import byte_tokenizer
from tests.support.tiny import TINY, save_tiny, tiny_language_model, tiny_model

DECODERS = ("gpt2", "gpt_neox", "opt", "llama", "qwen2", "qwen3", "gemma", "gemma2")
HEAD = Head(0, auto_class=CAUSAL, is_new=False)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("tied", [False, True])
def test_a_tied_table_belongs_to_the_embeddings_alone(name, tied):
    model = tiny_language_model(name, tied=tied)
    check_causal(model, name)
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of())
    table = model.get_input_embeddings().weight
    owners = {n: anatomy.part_of(n) for n, p in model.named_parameters() if p is table}
    assert list(owners.values()) == ["embeddings"]
    assert (tied_table(model) is table) == tied
    head = language_head(model).weight
    in_head = [n for n in trainable.head if model.get_parameter(n) is head]
    # Untied, the head is a part as usual; tied, it is frozen with the embeddings.
    assert len(in_head) == (not tied)
    frozen = trainable.names(Stage(0, 1, (2,), embeddings=False))
    assert any(model.get_parameter(n) is head for n in frozen) == (not tied)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("method", ["lora", "adapter"])
def test_a_method_leaves_a_pre_trained_head_alone(name, method):
    model = tiny_language_model(name)
    before = model.state_dict()
    trainable = apply_method(model, find_anatomy(model), method_of(method))
    assert trainable.head == trainable.embeddings == ()
    assert all(trainable.blocks)
    assert all(model.get_parameter(n).requires_grad is False for n in before if "lm_head" in n)


def test_a_new_head_is_trained_by_every_method():
    model = tiny_model("llama")
    trainable = apply_method(model, find_anatomy(model), method_of("lora"))
    assert "score.weight" in trainable.head


def test_a_model_that_sees_the_next_token_is_refused(tmp_path):
    folder = save_tiny(tmp_path / "bert")
    with pytest.raises(ModelError, match="a token sees those after it, so it cannot learn"):
        load_model(str(folder), HEAD)


@pytest.mark.parametrize("name", ["distilbert", "mpnet"])
def test_a_model_without_such_a_head_gets_a_sentence(name, tmp_path):
    assert name in TINY
    folder = save_tiny(tmp_path / name, architecture=name)
    with pytest.raises(ModelError, match="transformers has no AutoModelForCausalLM"):
        load_model(str(folder), HEAD)


def test_files_without_the_head_are_refused(tmp_path):
    folder = save_tiny(tmp_path / "llama", architecture="llama", pad_token_id=0)
    with pytest.raises(ModelError, match=r"hold no head of a language model \(lm_head.weight"):
        load_model(str(folder), HEAD)


def test_a_saved_language_model_loads_with_its_own_head(tmp_path):
    made = tiny_language_model("llama", tied=True)
    made.save_pretrained(tmp_path)
    found = load_model(str(tmp_path), HEAD)
    assert torch.equal(found.lm_head.weight, made.model.embed_tokens.weight)
    assert tied_table(found) is found.model.embed_tokens.weight


@pytest.mark.parametrize(("own", "expected"), [(5, 1), ([5, 1], [5, 1]), (None, 1)])
def test_a_saved_model_stops_at_the_end_token_of_its_tokenizer(own, expected, tmp_path):
    """As a base model does not whose tokenizer has the end of a chat template."""
    model = tiny_language_model("llama", eos_token_id=own)
    fit_to_tokenizer(model, byte_tokenizer())
    model.save_pretrained(tmp_path)
    saved = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert saved.config.eos_token_id == saved.generation_config.eos_token_id == expected
