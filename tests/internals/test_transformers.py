import inspect

from transformers import AutoConfig, configuration_utils

from progsearch.internals.transformers import commit_of
from tests.support.tiny import save_tiny


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
