"""Models that others prepared, against the method of a file."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from progsearch.config import method_of
from progsearch.errors import ConfigError, MethodError, ModelError, ScheduleError
from progsearch.methods.fitting import check_method, prepare_model
from progsearch.models.anatomy import find_anatomy
from tests.support.fixtures import exported
from tests.support.runs import four_block_bert
from tests.support.tiny import tiny_model

__all__ = ["exported"]


def with_lora(**settings):
    config = LoraConfig(
        **{"task_type": "SEQ_CLS", "r": 8, "lora_alpha": 16, "target_modules": "all-linear"}
        | settings
    )
    return get_peft_model(four_block_bert(), config)


def found(model, method):
    return "\n".join(check_method(model, find_anatomy(model), method_of(method)))


@pytest.mark.parametrize("method", ["full", "lora", "bitfit", "adapter"])
def test_a_prepared_model_fits_its_file(exported, method):
    model = four_block_bert()
    prepare_model(model, exported(method))
    assert not found(model, method)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"r": 4}, "lora_rank is 4 in the Trainer and 8 in the file"),
        ({"lora_alpha": 8}, "lora_alpha is 8.0 in the Trainer and 16.0 in the file"),
        ({"use_rslora": True}, "lora_alpha is 45.254834 in the Trainer"),
        ({"rank_pattern": {"query": 2}}, "lora_rank is 2 or 8 in the Trainer and 8 in the file"),
        ({"lora_dropout": 0.3}, "lora_dropout is 0.3 in the Trainer and 0 in the file"),
        ({"target_modules": ["query"]}, "layers without LoRA is 20 in the Trainer and 0 in"),
        ({"target_modules": ["query"]}, "(base_model.model.bert.pooler.dense.weight, ...) are"),
        ({"task_type": None}, "4 tensors (base_model.model.bert.pooler.dense.base_layer.weight"),
        ({"bias": "all"}, "33 tensors (base_model.model.bert.embeddings.LayerNorm.bias, ...) are"),
        ({"use_dora": True}, "lora_magnitude_vector.default.weight, ...) are trained in the Tra"),
        ({"modules_to_save": ["word_embeddings"]}, "modules_to_save.default.weight) is trained"),
    ],
)
def test_lora_of_peft_that_trains_something_else_is_said(settings, sentence):
    assert sentence in found(with_lora(**settings), "lora")


def test_a_frozen_head_is_said():
    model = four_block_bert()
    model.classifier.requires_grad_(False)
    assert found(model, "full") == (
        "2 tensors (classifier.weight, ...) are trained by full in the file and frozen in the "
        "Trainer"
    )


@pytest.mark.parametrize("method", ["full", "bitfit"])
def test_modules_of_another_method_are_said(exported, method):
    model = four_block_bert()
    prepare_model(model, exported("adapter"))
    assert f"the method is adapter in the Trainer and {method} in the file" in found(model, method)


@pytest.mark.parametrize("first", ["lora", "adapter"])
@pytest.mark.parametrize("second", ["lora", "adapter", "full"])
def test_a_model_is_prepared_once(exported, first, second):
    model = four_block_bert()
    prepare_model(model, exported(first))
    names = set(dict(model.named_parameters()))
    with pytest.raises(MethodError, match=f"has the modules of {first} already"):
        prepare_model(model, exported(second))
    assert set(dict(model.named_parameters())) == names


def test_what_is_no_model_for_the_file_is_refused(exported):
    file = exported("lora")
    name: Any = "bert-base-uncased"
    with pytest.raises(ModelError, match="needs a loaded model and then the file, got str"):
        prepare_model(name, file)
    with pytest.raises(ScheduleError, match="for 4 blocks and the model has 3"):
        prepare_model(tiny_model("bert"), file)
    with pytest.raises(ConfigError, match=r"must be a file of `progsearch export`.*got None"):
        prepare_model(four_block_bert(), None)


def test_adapters_have_the_type_of_the_weights(exported):
    model = four_block_bert().to(torch.bfloat16)
    prepare_model(model, exported("adapter"))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    model(input_ids=torch.tensor([[5, 6, 7]]))
