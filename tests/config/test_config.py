import pytest

from progsearch.config import Recipe, parse, read_yaml, write_yaml
from progsearch.errors import ConfigError


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (["seconds", "flops"], "must include the task's metric.*got seconds, flops"),
        (["metric", "forgetting"], "forgetting is what a language model's.*with --general-file"),
        (["metric", "seconds", "seconds"], "the same objective is given twice"),
        (["metric", "speed"], "objectives.1"),
    ],
)
def test_objectives_that_cannot_be_searched(objectives, message):
    with pytest.raises(ConfigError, match=message):
        parse(Recipe, {"task": {"name": "mrpc"}, "objectives": objectives}, "recipe.yaml")


def test_objectives_may_be_given_in_any_order():
    task = {"name": "mine", "general_file": "general.txt"}
    given = ["forgetting", "updated_parameters", "metric"]
    found = parse(Recipe, {"task": task, "objectives": given}, "recipe.yaml")
    assert found.objectives == ("metric", "forgetting", "updated_parameters")


@pytest.mark.parametrize(
    "word", ["1e3", "1_1", "2.10", "007", "no", "1.0e+3", "0x10", "12:30", "~"]
)
def test_words_that_look_like_numbers_come_back_as_words(tmp_path, word):
    write_yaml(tmp_path / "a.yaml", {word: [word, 1e-7, 1000.0]})
    assert read_yaml(tmp_path / "a.yaml") == {word: [word, 1e-7, 1000.0]}


@pytest.mark.parametrize(
    ("text", "line"), [("a: 1\nb: 2\na: 3\n", 3), ("a:\n  b: {c: 1, c: 2}\n", 2)]
)
def test_a_key_that_is_there_twice_is_refused(tmp_path, text, line):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"line {line}: is not YAML: the key [ac] is there tw"):
        read_yaml(tmp_path / "a.yaml")


def test_keys_of_an_anchor_may_be_replaced(tmp_path):
    (tmp_path / "a.yaml").write_text("x: &x {k: 1, l: 1}\ny:\n  <<: *x\n  k: 2\n")
    assert read_yaml(tmp_path / "a.yaml")["y"] == {"k": 2, "l": 1}
