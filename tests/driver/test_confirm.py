import pytest

from progsearch import search
from progsearch.api import confirm
from progsearch.errors import NothingUsable, StudyError
from progsearch.study.confirmed_runs import read_confirmed
from progsearch.study.folder import open_study
from progsearch.training import TrainingRun
from tests.support.fakes import Watcher
from tests.support.tiny_task import tiny_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_ray")]


def test_a_confirmation_trains_what_is_missing_and_keeps_it(tiny, tmp_path):
    folder = search(tiny_recipe(tiny, budget=1), studies_dir=tmp_path).folder
    view = Watcher()
    picks = ("head-only",)
    confirm("tiny", 1, picks=picks, studies_dir=tmp_path, view=view)
    numbers = [t.number for t in folder.trials() if t.name in ("full", "progtuning-3", *picks)]
    assert ("started", (100,), 3, 3) in view.told
    assert view.told[-1] == ("finished", "budget")
    ended = [words for words in view.told if words[0] == "run_ended"]
    assert sorted(ended) == [("run_ended", number, 100, None) for number in sorted(numbers)]
    kept = read_confirmed(folder.path)
    assert {(run.trial, run.seed) for run in kept.runs} == {(n, 100) for n in numbers}
    # A confirmed run is the schedule trained with that seed.
    trial = next(t for t in folder.trials() if t.name == "head-only")
    training = trial.run.training.model_copy(update={"seed": 100})
    alone = TrainingRun.from_config(trial.run.model_copy(update={"training": training}))
    for _ in alone.records():
        pass
    assert kept.of(trial.number)[100].metrics == alone.result().metrics

    view = Watcher()
    confirm("tiny", 2, picks=picks, studies_dir=tmp_path, view=view)
    assert ("started", (100, 101), 3, 3) in view.told
    assert len(read_confirmed(folder.path).runs) == 6
    view = Watcher()
    confirm("tiny", 2, picks=picks, studies_dir=tmp_path, view=view)
    assert view.told == [("started", (100, 101), 3, 0), ("finished", "budget")]
    # The study itself has no further trials, and is not interrupted.
    assert [trial.state.name for trial in folder.trials()] == ["COMPLETE"] * 6


def test_a_study_without_results_or_with_other_data_is_not_confirmed(tiny, tmp_path):
    with pytest.raises(NothingUsable):
        search(tiny_recipe(tiny, time_limit=0.1), studies_dir=tmp_path)
    again = r"nothing to confirm; continue the search with `resume\('tiny', "
    with pytest.raises(StudyError, match=again):
        confirm("tiny", 1, studies_dir=tmp_path)

    given = tiny_recipe(tiny, study="other", budget=1, training={"epochs": 1})
    search(given, studies_dir=tmp_path)
    train_file = tiny / "train-48.csv"
    before = train_file.read_text()
    train_file.write_text(before + "good good good,bad\n")
    try:
        with pytest.raises(StudyError, match="the data of study other changed since it was sea"):
            confirm("other", 1, studies_dir=tmp_path)
    finally:
        train_file.write_text(before)
    assert read_confirmed(open_study("other", tmp_path).path).runs == ()
