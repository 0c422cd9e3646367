"""The commands that list, copy and check files."""

from typing import Any

import pytest

from progsearch import model_path
from progsearch.config import write_yaml
from progsearch.space.shipped import shipped_files


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("tasks", {"bbc-headlines", "mrpc", "stsb"}),
        ("spaces", {"progtuning", "paper", "peft", "quick", "wide"}),
        ("metrics", {"depth", "fisher", "solo"}),
        ("types", {"classification", "multilabel", "multiple-choice", "regression", "span"}),
        ("methods", {"full", "lora", "qlora", "bitfit", "adapter"}),
        ("samplers", {"ehvi", "tpe", "grid"}),
        ("models", {"minilm-l6"}),
    ],
)
def test_ls_names_and_explains(progsearch, kind, some):
    lines = progsearch("ls", kind).stdout.splitlines()
    named = dict(line.split(maxsplit=1) for line in lines)
    assert some <= set(named)
    assert all(named.values())


def test_models_are_listed_with_their_folders(progsearch):
    listed = progsearch("ls", "models").stdout
    assert model_path("minilm-l6") in listed


def test_ls_of_an_unknown_kind(progsearch):
    outcome = progsearch("ls", "datasets")
    assert outcome.code == 2
    assert "'tasks'" in outcome.stderr


def test_a_copied_space_is_valid_and_keeps_its_comments(progsearch, tmp_path):
    for name, file in shipped_files("search_spaces").items():
        assert progsearch("cp", name, f"{name}.yaml").code == 0
        assert (tmp_path / f"{name}.yaml").read_text() == file.read_text()
        assert "a valid search space" in progsearch("validate", f"{name}.yaml").stdout


def test_shipped_recipes_are_valid(progsearch):
    for file in shipped_files("studies").values():
        assert "a valid recipe" in progsearch("validate", file).stdout


def test_validate_names_every_mistake(progsearch):
    write_yaml(
        "space.yaml",
        {
            "dimensions": {
                "n_stage": {"type": "int", "low": 1, "high": 3},
                "curve": {"type": "categorical", "choices": ["linear", "round"]},
            },
            "fixed": {"embeddings": "sometimes"},
        },
    )
    outcome = progsearch("validate", "space.yaml")
    assert outcome.code == 2
    assert "space.yaml has 3 errors:" in outcome.stderr
    for place in ("dimensions.n_stage", "dimensions.curve.choices.1", "fixed.embeddings"):
        assert f"  {place}: " in outcome.stderr


def test_validate_tells_a_config_by_its_stages(progsearch):
    config: dict[str, Any] = {
        "progsearch_version": "0.1.0",
        "model": "minilm-l6",
        "task": {"name": "mrpc"},
        "stages": [{"start": 0, "end": 1, "trainable_blocks": [5], "embeddings": False}],
    }
    write_yaml("best.yaml", config)
    assert "a valid config" in progsearch("validate", "best.yaml").stdout
    config["stages"][0]["end"] = 0.5
    write_yaml("best.yaml", config)
    outcome = progsearch("validate", "best.yaml")
    assert outcome.code == 2
    assert "stages" in outcome.stderr


def test_what_a_newer_version_wrote_is_dropped_with_a_warning(progsearch, tmp_path):
    (tmp_path / "best.yaml").write_text(
        "progsearch_version: 99.0.0\nmodel: minilm-l6\nnovelty: 1\ntask: {name: mrpc}\n"
        "stages: [{start: 0, end: 1, trainable_blocks: [5], embeddings: false}]\n"
    )
    with pytest.warns(UserWarning, match="novelty"):
        outcome = progsearch("validate", "best.yaml")
    assert outcome.code == 0


def test_validate_names_what_is_not_there_in_all_files_at_once(progsearch, tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    dimension = {"type": "int", "low": 3, "high": "many"}
    other = {"type": "categorical", "choices": ["round"]}
    write_yaml("space.yaml", {"dimensions": {"n_stages": dimension, "curve": other}})
    task = {"name": "own", "train_file": "rows.csv", "test_file": "gone.csv", "type": "regresion"}
    write_yaml(
        "a.yaml",
        {"task": task, "model": "./gone", "space": "space.yaml", "budgt": 3, "seeds": 0},
    )
    write_yaml("b.yaml", {"task": {"name": "bbc-headline"}, "space": "quikc"})
    write_yaml("c.yaml", {"task": {"name": "own", "train_file": "rows.csv"}})
    outcome = progsearch("validate", "a.yaml", "b.yaml", "c.yaml")
    assert outcome.code == 2
    assert outcome.stdout.splitlines() == ["c.yaml: a valid recipe for minilm-l6 on own"]
    assert "a.yaml has 5 errors" in outcome.stderr
    for place in ("budgt", "seeds", "task.test_file", "task.type", "model"):
        assert f"  {place}: " in outcome.stderr
    assert "space.yaml has 2 errors" in outcome.stderr
    assert "  dimensions.n_stages.high: " in outcome.stderr
    assert "  dimensions.curve.choices.0: " in outcome.stderr
    assert "b.yaml has 2 errors" in outcome.stderr
    assert "  task.name: there is no task 'bbc-headline': did you mean" in outcome.stderr
    assert "  space: quikc is not a search space; did you mean quick?" in outcome.stderr


def test_validate_names_a_sampler_that_does_not_fit(progsearch):
    rate = {"type": "float", "low": 1e-5, "high": 1e-3}
    write_yaml("rates.yaml", {"dimensions": {"learning_rate": rate}})
    write_yaml("recipe.yaml", {"task": {"name": "mrpc"}, "space": "rates.yaml", "sampler": "grid"})
    outcome = progsearch("validate", "recipe.yaml")
    assert outcome.code == 2
    assert "sampler: dimensions.learning_rate: a grid needs a step" in outcome.stderr


def test_validate_checks_a_recipes_space(progsearch):
    write_yaml("recipe.yaml", {"task": {"name": "mrpc"}, "space": "quikc"})
    outcome = progsearch("validate", "recipe.yaml")
    assert outcome.code == 2
    assert "quikc" in outcome.stderr


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"stages": [{"start": 0, "end": 1, "trainable_blocks": [5], "embeddings": False}]},
    ],
)
def test_validate_checks_the_type_of_a_task(progsearch, more):
    data = {"model": "minilm-l6", "task": {"name": "mrpc", "type": "regresion"}} | more
    if more:
        data["progsearch_version"] = "0.1.0"
    write_yaml("file.yaml", data)
    outcome = progsearch("validate", "file.yaml")
    assert outcome.code == 2
    assert outcome.stderr == (
        "Error: file.yaml: task.type: there is no task type 'regresion'; did you mean "
        "regression?\n"
    )
    data["task"]["type"] = "regression"
    write_yaml("file.yaml", data)
    assert progsearch("validate", "file.yaml").code == 0


@pytest.mark.parametrize("text", ["words", "key: value\n", "[1, 2]\n"])
def test_validate_of_something_else(progsearch, tmp_path, text):
    (tmp_path / "file.yaml").write_text(text)
    outcome = progsearch("validate", "file.yaml")
    assert outcome.code == 2
    assert "file.yaml" in outcome.stderr


def test_validate_names_an_unknown_type_beside_other_mistakes(progsearch):
    data = {"model": "minilm-l6", "task": {"name": "own", "type": "regresion"}, "budgt": 3}
    write_yaml("file.yaml", data)
    outcome = progsearch("validate", "file.yaml")
    assert outcome.code == 2
    assert "task.type: there is no task type 'regresion'" in outcome.stderr
    assert "budgt" in outcome.stderr
