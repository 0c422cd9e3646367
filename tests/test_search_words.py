"""The words of the command line as arguments of `search`."""

import inspect
from pathlib import Path

import pandas as pd
import pytest

from progsearch import api, confirm, load_study, resume, search
from progsearch.config import Recipe, TaskConfig, TrainingConfig, plain, write_yaml
from progsearch.errors import ConfigError, ProgsearchError, TaskError
from progsearch.words import recipe_options
from progsearch.words_python import in_python


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The recipe of a call of `search`, which searches nothing."""
    monkeypatch.chdir(tmp_path)

    def recipe_of(*arguments, **words):
        found = []

        def prepare(recipe, studies_dir):
            found.append(recipe)
            raise StopIteration

        with monkeypatch.context() as patch:
            patch.setattr(api, "prepare", prepare)
            with pytest.raises(StopIteration):
                search(*arguments, **words)
        return found[0]

    return recipe_of


def test_words_are_those_of_the_command_line(made):
    own = list(inspect.signature(search).parameters)
    assert own[4:] == [option.name for option in recipe_options()]
    assert len(own) == len(set(own))
    recipe = made(
        task="mrpc",
        budget=20,
        epochs=2,
        learning_rate=1e-4,
        reuse=False,
        objective=["metric", "seconds"],
        method="lora,full",
        time="30m",
    )
    assert recipe == Recipe(
        task=TaskConfig(name="mrpc"),
        budget=20,
        training=TrainingConfig(epochs=2, learning_rate=1e-4),
        reuse=False,
        objectives=("metric", "seconds"),
        methods=("lora", "full"),
        time_limit=1800,
    )


def test_values_may_be_those_of_python(made, tmp_path):
    recipe = made(
        train_file=Path("data") / "mine.csv",
        text_columns=("a", "b"),
        method=["lora"],
        objective="metric,flops",
        time=90,
    )
    assert recipe.task == TaskConfig(
        name="mine", train_file=str(tmp_path / "data" / "mine.csv"), text_columns=("a", "b")
    )
    assert (recipe.methods, recipe.objectives) == (("lora",), ("metric", "flops"))
    assert recipe.time_limit == 90


def test_a_recipe_or_its_file_and_words_over_it(made, tmp_path):
    recipe = Recipe(task=TaskConfig(name="mrpc"), budget=5)
    assert made(recipe) == recipe
    changed = made(recipe, budget=7)
    assert changed == recipe.model_copy(update={"budget": 7})
    assert "learning_rate" not in changed.training.model_fields_set, "it follows from the model"
    write_yaml("mrpc.yaml", plain(recipe))
    for file in ("mrpc.yaml", tmp_path / "mrpc.yaml"):
        assert made(file, budget=7) == changed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"bugdet": 3}, r"search\(\): bugdet: is no word of a search; did you mean budget\?"),
        ({"objectives": ["metric"]}, "did you mean objective?"),
        ({"time_limit": 3}, "did you mean time?"),
        ({"zzzz": 3}, "`progsearch run --help` lists them"),
        ({"budget": "many"}, "budget: input should be a valid integer.*got 'many'"),
        ({"budget": True}, "budget: must be a number, got True"),
        ({"time": True}, "time: must be a number"),
        ({"budget": 2.5}, "budget: .*got 2.5"),
        ({"task": 5}, "task: input should be a valid string, got 5"),
        ({"time": "soon"}, "time: write it like 2h"),
        ({"train_file": pd.DataFrame({"a": range(30), "b": range(30)})}, "train_file: "),
        ({"space": ["quick"]}, "space: input should be a valid string"),
        ({"budget": 0, "epochs": 0}, "search\\(\\) has 2 errors"),
    ],
)
def test_wrong_words_are_named_in_a_sentence(words, message):
    with pytest.raises(ConfigError, match=message):
        search(**{"task": "mrpc", **words})


@pytest.mark.parametrize(
    ("call", "given", "words", "message"),
    [
        (search, ["mrpc"], {}, "mrpc: there is no such recipe file; a task is given as task="),
        (search, [{"task": "mrpc"}], {}, "recipe: must be a Recipe or the path"),
        (search, [], {"task": "mrpc", "studies_dir": 5}, "studies_dir: must be a text or a path"),
        (load_study, [5], {}, "name: must be a text or a path, got 5"),
        (resume, [None], {}, "study: must be a text or a path, got None"),
        (resume, ["any"], {"budget": "3"}, "budget: must be a whole number, got '3'"),
        (resume, ["any"], {"budget": 0}, "budget: must be at least 1"),
        (confirm, ["any", 2.5], {}, "seeds: must be a whole number"),
        (confirm, ["any", 3], {"margin": 2}, "margin: must be above 0 and below 1"),
        (confirm, ["any", 3], {"parallel": 0}, "parallel: must be at least 1"),
        (confirm, ["any", 3], {"gpus_per_trial": 1.5}, "gpus_per_trial: must be a share of a GPU"),
        (resume, ["any"], {"gpus_per_trial": "a"}, "gpus_per_trial: must be a share of a GPU"),
        (resume, ["any"], {"processes_per_trial": 0}, "processes_per_trial: must be at least 1"),
    ],
)
def test_other_wrong_arguments(call, given, words, message):
    with pytest.raises(ConfigError, match=message):
        call(*given, **words)


def test_something_must_be_said():
    with pytest.raises(TaskError, match="give task .*, train_file or a recipe file"):
        search()


def test_notebooks_show_a_mistake_as_a_sentence():
    assert ProgsearchError("no").__class__._render_traceback_(ProgsearchError("no")) == [
        "ProgsearchError: no"
    ]


@pytest.mark.parametrize(
    ("said", "in_words_of_python"),
    [
        ("name it with --train-file", "name it with train_file"),
        ("give --type multilabel, or correct", "give type='multilabel', or correct"),
        ("--type of the data", "type of the data"),
        ("with --text-columns and --label-column.", "with text_columns and label_column."),
        ("give --separator ';' or", "give separator=';' or"),
        ("set --max-length 512 or", "set max_length=512 or"),
        ("try --task bbc-headlines", "try task='bbc-headlines'"),
        ("leave them out with --drop-missing", "leave them out with drop_missing=True"),
        ("so --no-reuse trains", "so reuse=False trains"),
        (
            "continue with `progsearch resume x --budget 9`",
            "continue with `resume('x', budget=9)`",
        ),
        ("`progsearch ls tasks` and `progsearch cache` list them", None),
        ("an em--dash", None),
    ],
)
def test_messages_name_arguments(said, in_words_of_python):
    assert in_python(said) == (in_words_of_python or said)


def test_errors_of_a_search_name_arguments(tmp_path):
    (tmp_path / "rows.csv").write_text("text,a,b\ngood day,0,1\nbad day,1,0\n")
    with pytest.raises(TaskError, match="it may be a or b: name it with label_column"):
        search(train_file=tmp_path / "rows.csv", studies_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"parallel: .* processors for it here") as caught:
        search(task="bbc-headlines", parallel=4096, studies_dir=tmp_path)
    assert "--" not in str(caught.value)
