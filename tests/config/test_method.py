import pickle
from typing import Any

import pytest

from progsearch.cache import content_key
from progsearch.config import METHODS, RunConfig, method_of, parse, plain
from progsearch.config.method import MethodSettings
from progsearch.errors import ConfigError

# What version 0.1.0 stored work under, before each method had a model of its own.
KEYS = [
    ({"name": "full"}, "5b5747cc1af4c6c7a9a06475eff3b183"),
    (
        {"name": "lora", "lora_rank": 8, "lora_alpha": 16.0},
        "71c06e6d8b229a755f89d81998007fab",
    ),
    (
        {"name": "lora", "lora_rank": 4, "lora_alpha": 10.0},
        "d141e3372ed90ae4359a0d9936ffa11d",
    ),
    ({"name": "bitfit"}, "0410b3b7db51bba6b32ee719eb12080a"),
    ({"name": "adapter", "adapter_size": 16}, "59b3421cf605fa13c4f76577f3ef21d1"),
]

# A method as version 0.1.0 wrote it: with the settings of all.
OLD = {"lora_rank": 4, "lora_alpha": 10.0, "adapter_size": 32}


def run_with(method):
    return parse(
        RunConfig,
        {
            "progsearch_version": "0.1.0",
            "model": "minilm-l6",
            "task": {"name": "mrpc"},
            "method": method,
            "stages": [{"start": 0, "end": 1, "trainable_blocks": [5], "embeddings": False}],
        },
        "best.yaml",
    )


@pytest.mark.parametrize(("fields", "key"), KEYS)
def test_stored_work_is_found_under_its_old_keys(fields, key):
    own = method_of(**fields).own_fields()
    assert (own, list(own)) == (fields, list(fields))
    assert content_key(own) == key


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("full", {}),
        ("bitfit", {}),
        ("lora", {"lora_rank": 4, "lora_alpha": 10.0}),
        ("qlora", {"lora_rank": 4, "lora_alpha": 10.0}),
        ("adapter", {"adapter_size": 32}),
    ],
)
def test_a_file_with_the_settings_of_all_methods_is_read(name, own):
    run = run_with({"name": name, **OLD})
    assert run.method.own_fields() == {"name": name, **own}
    assert plain(run)["method"] == {"name": name, **own}
    assert run_with(plain(run)["method"]) == run
    assert pickle.loads(pickle.dumps(run)) == run


def test_without_a_name_it_is_full_fine_tuning():
    assert run_with({}).method == method_of()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "full", "colour": 1}, "^best.yaml: method.colour: unknown key"),
        ({"name": "lora", "lora_rank": 0}, "method.lora_rank: .*or equal to 1, got 0"),
        ({"name": "lorra"}, "method.name: input should be 'full', 'lora', 'qlora', 'bitfit' or "),
        ({"name": 3}, "method.name: input should be 'full'"),
        ("lora", "method: input should be a valid dictionary"),
    ],
)
def test_mistakes_are_named_with_their_place(method, message):
    with pytest.raises(ConfigError, match=message):
        run_with(method)


def test_only_lora_alpha_changes_no_cost():
    assert method_of("lora").cost_key == method_of("lora", lora_alpha=1.0).cost_key
    assert method_of("lora").cost_key != method_of("lora", lora_rank=1).cost_key
    assert method_of("adapter").cost_key != method_of("adapter", adapter_size=1).cost_key
    assert len({method.name for method in METHODS}) == len({m().cost_key for m in METHODS})


def test_a_raised_version_gives_other_keys():
    full: Any = METHODS.get("full")

    class Raised(full):
        version = 2

    assert Raised().own_fields() == {"name": "full", "version": 2}
    assert MethodSettings.version == 1
