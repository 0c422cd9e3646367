import pytest

from progsearch.config import Recipe, parse
from progsearch.errors import ConfigError


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (["updated_parameters", "metric"], "must begin with metric.*got updated_parameters, met"),
        (["seconds"], "must begin with metric"),
        (["metric", "seconds", "seconds"], "the same objective is given twice"),
        (["metric", "speed"], "objectives.1"),
    ],
)
def test_objectives_that_cannot_be_searched(objectives, message):
    with pytest.raises(ConfigError, match=message):
        parse(Recipe, {"task": {"name": "mrpc"}, "objectives": objectives}, "recipe.yaml")
