import inspect

import peft
import pytest
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    MarianConfig,
    Trainer,
    configuration_utils,
)

from progsearch.internals.transformers import (
    body_renamed,
    commit_of,
    decayed_parameters,
    forget_renaming,
    has_adapter,
    has_model,
    types_with_model,
)
from tests.support.tiny import save_tiny, tiny_model


def test_a_config_holds_the_commit_it_came_from(tmp_path):
    config = AutoConfig.from_pretrained(save_tiny(tmp_path))
    assert commit_of(config) is None
    # What the loading of a hub's model sets.
    config._commit_hash = "abc"
    assert commit_of(config) == "abc"


def test_transformers_still_keeps_the_commit_under_that_name():
    # Set by the loading of a hub's model, which no test machine reaches.
    source = inspect.getsource(configuration_utils)
    assert "_commit_hash" in source


@pytest.mark.parametrize("architecture", ["bert", "llama", "gpt2"])
def test_the_parameters_with_weight_decay_are_those_of_the_trainer(architecture):
    model = tiny_model(architecture)
    # The method reads nothing of its Trainer.
    expected = Trainer.get_decay_parameter_names(None, model)
    assert decayed_parameters(model) == set(expected)
    assert 0 < len(expected) < len(list(model.parameters()))


def test_an_auto_class_says_which_configs_it_knows(tmp_path):
    bert = AutoConfig.from_pretrained(save_tiny(tmp_path))
    assert has_model(AutoModelForSequenceClassification, bert)
    assert not has_model(AutoModelForSequenceClassification, MarianConfig())


def test_an_auto_class_says_which_model_types_it_knows():
    types = ("bert", "opt", "llama")
    assert types_with_model(AutoModelForTokenClassification, types) == ["bert", "llama"]
    assert types_with_model(AutoModelForMultipleChoice, types) == ["bert"]


@pytest.mark.parametrize(
    ("architecture", "renamed"),
    [("bert", {}), ("gpt2", {}), ("llama", {r"^model\.": "transformer."})],
)
def test_models_that_call_their_body_otherwise_are_known(architecture, renamed):
    config = tiny_model(architecture).config
    assert body_renamed(AutoModelForQuestionAnswering, config) == renamed
    assert body_renamed(AutoModelForSequenceClassification, config) == {}


def test_a_model_is_saved_under_its_own_names(tmp_path):
    saved = save_tiny(tmp_path / "llama", architecture="llama")
    renamed = {r"^model\.": "transformer."}
    model = AutoModelForQuestionAnswering.from_pretrained(saved, key_mapping=renamed)
    forget_renaming(model)
    model.save_pretrained(tmp_path / "again")
    with safe_open(tmp_path / "again/model.safetensors", "pt") as file:
        assert any(name.startswith("transformer.") for name in file.keys())  # noqa: SIM118
    given = {"output_loading_info": True}
    _, info = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "again", **given)
    assert not info["missing_keys"]


def test_a_model_says_whether_an_adapter_was_loaded_with_it(tmp_path):
    folder = save_tiny(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert not has_adapter(model)
    peft.get_peft_model(model, peft.LoraConfig()).save_pretrained(folder)
    assert has_adapter(AutoModelForSequenceClassification.from_pretrained(folder))
