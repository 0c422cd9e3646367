"""A study as Python users read it."""

import doctest
import math

import pandas as pd
import pytest

from progsearch import load_study, search
from progsearch.config import Recipe, TaskConfig, read_yaml
from progsearch.errors import ConfigError, StudyError
from progsearch.results import Study
from progsearch.schedule import Schedule
from progsearch.study.folder import StudyFolder, create_study
from tests.support.fake_study import FakeStudy, fake_study


class Folder(StudyFolder):
    """A folder of its own for a study in memory."""

    def __init__(self, path, study):
        self.path, self.study = path, study
        self.recipe = FakeStudy().recipe


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(Folder(tmp_path_factory.mktemp("fake"), fake_study()))


def fake(folder, fill):
    made = FakeStudy(rows=408)
    fill(made)
    return Study(Folder(folder, made.study))


def test_all_trials_are_rows_by_their_numbers(study):
    trials = study.trials
    assert list(trials.index) == list(range(28))
    assert trials["state"].value_counts().to_dict() == {"complete": 26, "failed": 2}
    assert trials.loc[0, "name"] == "full" and trials.loc[0, "to_full"] == 0
    assert trials.loc[27, "reason"] == "out of memory at step 3"
    assert math.isnan(trials.loc[27, "metric"])
    assert trials["learning_rate"].notna().all()
    assert {"params_n_stages", "params_metric"} <= set(trials.columns)
    assert trials.loc[trials["on_front"]].index.isin(study.front.index).all()
    assert [str(trials[name].dtype) for name in ("seeds", "metric")] == ["Int64", "float64"]


def test_the_front_begins_with_the_best_and_references_have_names(study):
    front = study.front
    assert front["metric"].is_monotonic_decreasing
    assert front["updated_parameters"].is_monotonic_decreasing
    assert list(study.references["name"]) == ["full", "progtuning-3", "last-quarter", "head-only"]


def test_every_column_is_explained(study):
    explained = Study.trials.__doc__
    for column in study.trials.columns:
        assert column.startswith("params_") or f"``{column}``" in explained, column


def test_a_study_without_trials_has_empty_tables_of_the_same_columns(tmp_path, study):
    empty = fake(tmp_path, lambda made: None)
    assert empty.trials.empty and empty.front.empty
    assert set(empty.trials.columns) <= set(study.trials.columns)
    assert "no trials yet" in empty.summary
    assert empty._repr_html_()
    with pytest.raises(StudyError, match="nothing to draw"):
        empty.plot_front()


def test_what_the_end_of_a_run_measures_has_columns(tmp_path):
    def fill(made):
        made.complete(Schedule.full(6), 0.8, name="full", forgetting=0.5)
        made.complete(Schedule.full(6), 0.8, forgetting=0.25, repeats=0)
        made.complete(Schedule.last_blocks(6, 1), 0.7)

    trials = fake(tmp_path, fill).trials
    assert trials["forgetting"].dropna().to_dict() == {0: 0.375, 1: 0.25}
    assert "exact_match" not in trials


def test_how_trials_end(tmp_path):
    def fill(made):
        made.baselines()
        made.stop(0.7)
        made.fail("interrupted")

    assert list(fake(tmp_path, fill).trials["state"][4:]) == ["stopped early", "interrupted"]


@pytest.mark.parametrize("how", ["knee", "best", 0, "#0", "full", "cheapest@1pt"])
def test_a_pick_has_what_its_file_has(study, tmp_path, how):
    pick = study.pick(how)
    file = pick.export(tmp_path / "best.yaml")
    written = read_yaml(file)
    assert written["results"]["trial"] == pick.number
    assert written["results"]["value"] == pick.metric
    assert Schedule.from_file(file, n_blocks=6) == pick.schedule
    assert pick.seeds == 1 and pick.standard_error is None
    assert pick.label in repr(pick) and pick.label in pick._repr_html_()


def test_an_export_replaces_and_says_where_it_cannot_write(study, tmp_path):
    for _ in range(2):
        assert study.export("best", tmp_path / "best.yaml").exists()
    with pytest.raises(ConfigError, match="no folder"):
        study.export("best", tmp_path / "none" / "best.yaml")
    with pytest.raises(StudyError, match="no trial 99"):
        study.pick(99)


def test_nothing_is_exported_if_nothing_was_learned(tmp_path):
    def fill(made):
        for name in ("full", "progtuning-3", "last-quarter", "head-only"):
            made.complete(Schedule.full(6), 0.684, name=name)

    study = fake(tmp_path, fill)
    assert study.nothing_learned in study.summary
    with pytest.raises(StudyError, match="anyway=True"):
        study.export("best", tmp_path / "best.yaml")
    assert study.export("best", tmp_path / "best.yaml", anyway=True).exists()


def test_figures_and_words(study):
    for figure in (
        study.plot_front(),
        study.plot_schedules(),
        study.plot_history(),
        study.plot_importance(),
        study.plot_contributions(),
    ):
        assert figure.data
    with pytest.raises(StudyError, match="was not confirmed"):
        study.plot_confirmed()
    assert study.confirmed is None
    assert "26 complete, 2 failed" in study.summary
    assert f"knee: #{study.pick('knee').number}" in study.summary
    assert repr(study).startswith("<Study ")
    html = study._repr_html_()
    assert html.count("<tr") == 1 + len(set(study.front.index) | set(study.references.index))
    assert "color" not in html, "a notebook's theme may be dark"


def test_a_study_on_disk_is_read_as_it_is(tmp_path):
    recipe = Recipe(task=TaskConfig(name="bbc-headlines"), study="mine")
    create_study(recipe, tmp_path)
    study = load_study("mine", tmp_path)
    assert (study.name, study.path, len(study.optuna.trials)) == ("mine", tmp_path / "mine", 0)
    assert study.recipe == recipe
    assert isinstance(study.trials, pd.DataFrame)
    assert study.report() == tmp_path / "mine" / "report.html"
    assert study.report().exists()


@pytest.mark.parametrize("documented", [search, load_study, Study])
def test_examples_of_docstrings_run(study, tmp_path, monkeypatch, documented):
    monkeypatch.chdir(tmp_path)
    for name in ("search", "load_study"):
        monkeypatch.setattr(f"progsearch.{name}", lambda *given, **words: study)
    examples = doctest.DocTestParser().get_examples(documented.__doc__)
    assert len(examples) > 2
    names: dict[str, object] = {}
    for example in examples:
        exec(example.source, names)


@pytest.mark.parametrize("path", [None, 3])
def test_what_is_no_path_is_refused(study, path):
    with pytest.raises(ConfigError, match=rf"path: must be a text or a path, got {path}"):
        study.export("best", path)
