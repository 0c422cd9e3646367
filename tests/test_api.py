import pytest

from progsearch import load_study
from progsearch.api import prepare
from progsearch.config import Recipe, TaskConfig
from progsearch.errors import ConfigError, ModelError, StudyError, TaskError
from progsearch.study.folder import create_study


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
