import pytest

from progsearch.config import Recipe, parse, read_yaml, write_yaml
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


@pytest.mark.parametrize(
    "word", ["1e3", "1_1", "2.10", "007", "no", "1.0e+3", "0x10", "12:30", "~"]
)
def test_words_that_look_like_numbers_come_back_as_words(tmp_path, word):
    write_yaml(tmp_path / "a.yaml", {word: [word, 1e-7, 1000.0]})
    assert read_yaml(tmp_path / "a.yaml") == {word: [word, 1e-7, 1000.0]}
