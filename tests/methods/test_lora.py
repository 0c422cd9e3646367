import warnings
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification
from transformers.pytorch_utils import Conv1D

from progsearch.config import method_of
from progsearch.methods import merge_method
from progsearch.schedule import Stage
from tests.support.applying import applied, steps
from tests.support.tiny import TINY, tiny_batch, tiny_model

FULL = Stage(0, 1, (0, 1, 2), embeddings=True)


@pytest.mark.parametrize("name", TINY)
def test_every_linear_layer_of_the_blocks_has_its_matrices(name):
    plain = tiny_model(name)
    _, anatomy, trainable = applied(name, "lora")
    for index, block in enumerate(anatomy.blocks):
        expected = {
            f"{block}.{layer}.lora_{matrix}.default.weight"
            for layer, module in plain.get_submodule(block).named_modules()
            if isinstance(module, (torch.nn.Linear, Conv1D))
            for matrix in "AB"
        }
        assert set(trainable.blocks[index]) == expected
    assert trainable.embeddings == ()


def test_transposed_layers_are_said_to_be_transposed():
    # peft would correct the flag with a warning for each layer.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, _, _ = applied("gpt2", "lora")
    assert model.transformer.h[0].attn.c_attn.fan_in_fan_out


def test_rank_and_scale_are_the_configured_ones():
    model, _, _ = applied("bert", "lora", lora_alpha=10.0)
    query = model.bert.encoder.layer[0].attention.self.query
    assert query.lora_A["default"].weight.shape == (4, 32)
    assert query.scaling["default"] == 10.0 / 4


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_a_merged_model_is_plain_and_computes_the_same(name, tmp_path):
    model, _, trainable = applied(name, "lora")
    steps(model, trainable.names(FULL))
    model.eval()
    with torch.no_grad():
        expected = model(**tiny_batch()).logits
        merged: Any = merge_method(model, method_of("lora"))
        torch.testing.assert_close(merged(**tiny_batch()).logits, expected, atol=1e-5, rtol=1e-5)
        plain = tiny_model(name)
        assert not torch.allclose(plain(**tiny_batch()).logits, expected, atol=1e-3)
        assert merged.state_dict().keys() == plain.state_dict().keys()
        assert not hasattr(merged, "peft_config")
        merged.save_pretrained(tmp_path)
        loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
        assert torch.equal(loaded(**tiny_batch()).logits, merged(**tiny_batch()).logits)


def test_other_methods_have_nothing_to_merge():
    model, _, trainable = applied("bert", "adapter")
    steps(model, trainable.names(FULL))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    merged = merge_method(model, method_of("adapter"))
    assert merged is model
    assert all(torch.equal(value, before[name]) for name, value in merged.state_dict().items())
