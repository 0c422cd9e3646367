import pydoc
from typing import Any

import pytest

import progsearch
from progsearch import confirm, load_study, search
from progsearch.api import prepare
from progsearch.config import Recipe, TaskConfig
from progsearch.errors import ConfigError, ModelError, StudyError, TaskError
from progsearch.study.folder import create_study
from progsearch.words import recipe_options


def recipe(**changes):
    return Recipe(**{"task": TaskConfig(name="bbc-headlines"), "space": "quick", **changes})


def test_a_prepared_search_has_a_name_and_a_space(tmp_path):
    prepared = prepare(recipe(), tmp_path)
    assert prepared.recipe == recipe(study="bbc-headlines-minilm-l6")
    assert "n_stages" in prepared.space.config.dimensions
    assert prepared.earlier is None
    assert prepared.studies_dir == tmp_path
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"study": "mine"}, StudyError, "there is already a study mine"),
        ({"space": "quikc"}, ConfigError, "did you mean quick"),
        ({"warm_start": "yours"}, StudyError, "no study 'yours'"),
        ({"model": "./nowhere"}, ModelError, "nowhere"),
        ({"task": TaskConfig(name="bbc-headline")}, TaskError, "bbc-headlines"),
    ],
)
def test_what_cannot_be_searched(tmp_path, changes, error, message):
    create_study(recipe(study="mine"), tmp_path)
    with pytest.raises(error, match=message):
        prepare(recipe(**changes), tmp_path)


def test_other_mistakes_are_named_before_a_name_that_is_taken(tmp_path):
    create_study(recipe(study="mine"), tmp_path)
    wrong = TaskConfig(name="bbc-headlines", metric="accurac")
    with pytest.raises(TaskError, match="no metric 'accurac'"):
        prepare(recipe(study="mine", task=wrong), tmp_path)
    assert prepare(recipe(study="mine"), tmp_path, dry_run=True).exists_already


def test_a_second_search_says_what_to_do_in_python(tmp_path):
    create_study(recipe(study="mine"), tmp_path)
    with pytest.raises(StudyError) as error:
        search(recipe(study="mine"), studies_dir=tmp_path)
    for call in ("load_study", "resume"):
        assert f"`{call}('mine', studies_dir='{tmp_path}')`" in str(error.value)
    assert "study='NAME'" in str(error.value)


@pytest.mark.parametrize("sampler", ["grid", "ehvi", "tpe"])
def test_a_space_whose_rates_follow_from_the_model_suits_every_sampler(tmp_path, sampler):
    given = recipe(space="progtuning", sampler=sampler)
    assert prepare(given, tmp_path).recipe.sampler == sampler


def test_a_study_is_loaded_to_be_read(tmp_path):
    made = create_study(recipe(study="mine"), tmp_path)
    before = {path: path.read_bytes() for path in made.path.iterdir() if path.is_file()}
    folder = load_study("mine", tmp_path).folder
    assert (folder.name, folder.trials()) == ("mine", [])
    assert {path: path.read_bytes() for path in made.path.iterdir() if path.is_file()} == before
    with pytest.raises(StudyError, match="no study 'other'"):
        load_study("other", tmp_path)


def test_a_renamed_folder_says_the_name_of_its_study(tmp_path):
    create_study(recipe(study="mine"), tmp_path).path.rename(tmp_path / "yours")
    with pytest.raises(StudyError, match="holds the study mine; give it this name again"):
        load_study("yours", tmp_path)


@pytest.mark.parametrize("picks", [None, 3.5])
def test_picks_of_another_type_are_a_sentence(tmp_path, picks):
    with pytest.raises(ConfigError, match=rf"picks: must be a rule, .*, got {picks}"):
        confirm("mine", 3, picks=picks, studies_dir=tmp_path)


def test_a_view_of_another_type_is_a_sentence(tmp_path):
    view: Any = print
    with pytest.raises(ConfigError, match="view: must be a View, got"):
        search(recipe(), studies_dir=tmp_path, view=view)


def test_the_help_of_search_names_each_word_and_no_internals():
    text = pydoc.plain(pydoc.render_doc(search))
    words = text[text.index("Words:") :]
    for option in recipe_options():
        assert f"\n        {option.name}: " in words
    assert "Annotated" not in text and "<function" not in text


def test_completion_knows_the_names_that_are_imported_on_first_use():
    assert set(progsearch.__all__) <= set(dir(progsearch))
