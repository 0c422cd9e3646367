import re

import pytest

from progsearch.models.architectures import ARCHITECTURES, architecture_of
from tests.conftest import REPOSITORY
from tests.support.tiny import TINY

TESTED = [found for found in ARCHITECTURES.values() if found.tested]


def test_the_tests_have_a_tiny_model_of_each_tested_architecture_and_of_no_other():
    types = {name: make().config.model_type for name, make in TINY.items()}
    assert types == {found.model_type: found.model_type for found in TESTED}


@pytest.mark.parametrize("name", TINY)
def test_the_module_after_attention_is_one_of_the_block(name):
    model = TINY[name]()
    after = architecture_of(model).after_attention
    if after is not None:
        assert any(module.endswith(f".{after}") for module, _ in model.named_modules())


def test_the_docs_list_the_tested_architectures():
    text = " ".join((REPOSITORY / "docs" / "tasks.md").read_text(encoding="utf-8").split())
    (listed,) = re.findall(r"can be told apart: (.*?) are tested\.", text)
    names = re.split(r", | and ", listed)
    assert set(names) == {found.title for found in TESTED}


def test_of_another_model_nothing_is_known():
    class Config:
        model_type = "new"

    class Model:
        config = Config()

    found = architecture_of(Model())
    assert (found.model_type, found.after_attention, found.recordable) == ("new", None, False)
    assert architecture_of(object()).model_type == "None"
