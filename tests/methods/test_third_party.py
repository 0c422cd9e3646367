"""A method of another package, in one file, from its settings to a training step."""

from typing import Any

import pytest
import torch

from progsearch.config import METHODS, RunConfig, TrainingConfig, method_of, parse, plain
from progsearch.costs.flops import measure_parts
from progsearch.errors import ConfigError, MethodError
from progsearch.methods import apply_method, base
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Stage
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from tests.support.applying import steps
from tests.support.plugins import example_of
from tests.support.tiny import tiny_batch, tiny_model

PLUGIN = """
from typing import ClassVar

from pydantic import Field

from progsearch.config import MethodSettings
from progsearch.methods import Method

class Norms(Method):
    name: ClassVar[str] = "norms"
    description: ClassVar[str] = "the norms of the upper blocks, and the head"

    norms_from: int = Field(default=0, ge=0)

    def trains(self, name, parameter, added):
        block = name.partition(".layer.")[2].partition(".")[0]
        return "LayerNorm" in name and block != "" and int(block) >= self.norms_from

class Scaled(Norms):
    name: ClassVar[str] = "scaled"

    scaled_by: float = 1.0

class Taken(Norms):
    name: ClassVar[str] = "taken"

    learning_rate: int = 1
    metric: str = "depth"

class Silent(MethodSettings):
    name: ClassVar[str] = "silent"
    description: ClassVar[str] = "settings only"
"""

RUN = {
    "progsearch_version": "0.1.0",
    "model": "minilm-l6",
    "task": {"name": "mrpc"},
    "stages": [{"start": 0, "end": 1, "trainable_blocks": [1], "embeddings": False}],
}


@pytest.fixture
def install(install_plugin):
    """Installs a package with the given entry points; returns the function that does."""
    return lambda **entries: install_plugin("progsearch.methods", entries, PLUGIN)


def config_of(**method):
    return parse(RunConfig, {**RUN, "method": method}, "run.yaml")


def test_it_is_listed_and_read_and_written(install):
    install(norms="progsearch_plugin:Norms")
    assert ("norms", "the norms of the upper blocks, and the head") in METHODS.described()
    run = config_of(name="norms", norms_from=1)
    assert plain(run)["method"] == {"name": "norms", "norms_from": 1}
    assert parse(RunConfig, plain(run), "run.yaml") == run
    assert run.method.own_fields() == {"name": "norms", "norms_from": 1}
    with pytest.raises(ConfigError, match="method.norms_from: .*greater than or equal to 0"):
        config_of(name="norms", norms_from=-1)
    # As of the built-in ones, the settings of other methods are dropped.
    assert plain(config_of(name="norms", lora_rank=8))["method"] == {
        "name": "norms",
        "norms_from": 0,
    }


def test_a_space_varies_its_settings(install):
    install(norms="progsearch_plugin:Norms")
    data: dict[str, Any] = {
        "dimensions": {"norms_from": {"type": "int", "low": 0, "high": 2}},
        "fixed": {"method": "norms"},
    }
    space = Space.of(data, "my.yaml")
    assert [m.own_fields()["norms_from"] for m in space.methods()] == [0, 1, 2]
    assert len({m.cost_key for m in space.methods()}) == 3
    choice = choice_of({"method": "norms", "norms_from": 2}, TrainingConfig())
    assert choice.method.own_fields() == {"name": "norms", "norms_from": 2}
    data["dimensions"]["norms_from"]["low"] = -1
    with pytest.raises(ConfigError, match="dimensions.norms_from.low: .*or equal to 0, got -1"):
        Space.of(data, "my.yaml")


def test_it_is_costed_and_trained(install):
    install(norms="progsearch_plugin:Norms")
    model = tiny_model("bert")
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, config_of(name="norms", norms_from=1).method)
    sizes = {
        part: sum(p.numel() for _, p in anatomy.parameters(model, part))
        for part in ("embeddings", *range(anatomy.n_blocks), "head")
    }
    cost = measure_parts(model, anatomy, trainable, tiny_batch(), sizes)
    norms = sum(p.numel() for n, p in model.named_parameters() if ".layer.2." in n and "Norm" in n)
    assert [block.trainable for block in cost.blocks] == [0, norms, norms]

    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    changed = steps(model, trainable.names(Stage(0, 1, (0, 1, 2), embeddings=True)))
    assert {n for n in changed if ".layer." in n} == {
        n for n in before if "LayerNorm" in n and (".layer.1." in n or ".layer.2." in n)
    }
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters() if n not in changed)


def test_settings_without_a_training_are_refused(install):
    install(silent="progsearch_plugin:Silent")
    with pytest.raises(MethodError, match="subclass of progsearch.methods.Method; fix"):
        method_of("silent")
    assert dict(METHODS.described())["silent"].startswith("not usable: ")


def test_settings_with_the_names_of_others_are_refused(install):
    """In a search space, their values would be those of the training and of the schedule."""
    install(taken="progsearch_plugin:Taken")
    said = (
        "method 'taken' (progsearch_plugin:Taken) has settings named as those of schedules or "
        "training (learning_rate, metric), which a search space cannot tell apart; begin them "
        "with the method's name"
    )
    with pytest.raises(MethodError) as error:
        method_of("taken")
    assert str(error.value) == said
    assert dict(METHODS.described())["taken"] == f"not usable: {said}"
    stages = {"type": "int", "low": 1, "high": 2}
    data = {"fixed": {"method": "taken"}, "dimensions": {"n_stages": stages}}
    with pytest.raises(ConfigError, match=r"fixed\.method: 'taken' .* has settings named as "):
        Space.of(data, "my.yaml")


def test_a_decimal_setting_that_changes_costs_has_no_range(install):
    install(scaled="progsearch_plugin:Scaled")
    data = {
        "fixed": {"method": "scaled"},
        "dimensions": {"scaled_by": {"type": "float", "low": 0.1, "high": 1.0}},
    }
    with pytest.raises(ConfigError, match="scaled_by of the method scaled may change"):
        Space.of(data, "a.yaml")


def test_the_example_of_the_contract_is_a_method(install_plugin):
    install_plugin("progsearch.methods", {"norms": "progsearch_plugin:Norms"}, example_of(base))
    model = tiny_model("bert")
    trainable = apply_method(model, find_anatomy(model), method_of("norms"))
    changed = steps(model, trainable.names(Stage(0, 1, (2,), embeddings=False)))
    blocks = {name for name in changed if ".layer." in name}
    assert blocks and all(".layer.2." in name and "LayerNorm" in name for name in blocks)
