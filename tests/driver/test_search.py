import pytest
import ray
import yaml
from optuna.trial import TrialState
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from progsearch import search
from progsearch.api import resume
from progsearch.errors import ConfigError, NothingUsable, StudyError, TaskError
from progsearch.report.data import study_report
from progsearch.schedule import Schedule
from progsearch.space.space import Space, SpaceConfig
from progsearch.study.folder import study_names
from progsearch.study.metadata import sessions_of
from progsearch.study.progress import spent
from tests.support.fakes import Watcher
from tests.support.guarded import PASSWORD, guarded_url, leaks
from tests.support.tiny_task import tiny_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_ray")]


def test_a_search_trains_and_keeps_everything_though_trials_fail(tiny, tmp_path, capfd):
    space = tmp_path / "space.yaml"
    dimensions = {
        "n_stages": {"type": "categorical", "choices": [2]},
        # One of them makes the weights infinite in the first step.
        "weight_decay": {"type": "categorical", "choices": [0.1, 1e38]},
    }
    space.write_text(yaml.safe_dump({"dimensions": dimensions}))
    view = Watcher()
    given = tiny_recipe(
        tiny,
        space=str(space),
        budget=5,
        objectives=("metric", "flops"),
        log_to=("tensorboard",),
    )
    capfd.readouterr()
    folder = search(given, studies_dir=tmp_path, view=view).folder
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
    assert folder.log.is_file()

    trials = folder.trials()
    named = {trial.name: trial for trial in trials[:5]}
    assert set(named) == {"full", "progtuning-3", "progtuning-2", "last-quarter", "head-only"}
    head_only, sampled = named["head-only"], trials[5:]
    assert {t.params["weight_decay"]: t.state.name for t in sampled} == {
        0.1: "COMPLETE",
        1e38: "FAIL",
    }
    failure = next(t for t in sampled if t.is_failed)
    assert "not finite" in failure.reason
    assert ("finished", "exhausted") in view.told

    full = named["full"]
    assert full.stages == Schedule.full(3).to_dicts()
    assert full.metrics["accuracy"] == full.measured > 0.9
    assert full.costs.flops == full.values[1]
    assert [record.epoch for record in full.records] == [1, 2]
    assert full.peak_memory > 10**7
    assert head_only.values[1] < named["last-quarter"].values[1] < full.values[1]

    # It is stored even without a view.
    kept = yaml.safe_load((folder.path / "study.yaml").read_text())["understood"]
    assert (kept["type"], kept["texts"], kept["label"]) == ("classification", ["text"], "label")
    assert {name: split["rows"] for name, split in kept["splits"].items()} == {
        "train": 48,
        "validation": 24,
    }
    assert study_report(folder.study).to_dict()["understood"] == kept
    lines = [("note", line) for line in folder.recipe.understood.lines()]
    assert [told for told in view.told if told in lines] == lines

    info = folder.info
    assert info.model.n_blocks == 3
    assert (info.metric, info.split) == ("accuracy", "validation")
    assert 0.5 <= info.majority < 0.7
    assert set(info.baselines) == set(named)
    assert Space(SpaceConfig.model_validate(info.space)) == Space.load(space)
    assert sessions_of(folder.study)[0].trials == 7
    assert folder.study.metric_names == ["accuracy", "flops"]

    logged = {path.name: path for path in (folder.path / "tensorboard").iterdir()}
    assert set(logged) == {f"trial-{trial.number}-seed-0" for trial in trials}
    events = EventAccumulator(str(logged[f"trial-{full.number}-seed-0"])).Reload()
    values = [event.value for event in events.Scalars("ray/tune/accuracy")]
    assert values == pytest.approx([record.metrics["accuracy"] for record in full.records])


def test_trials_are_stopped_on_the_way(tiny, tmp_path):
    # One at a time, so that it is the same trials each time.
    given = tiny_recipe(tiny, budget=4, scheduler="mo-asha", parallel=1)
    folder = search(given, studies_dir=tmp_path).folder
    trials = folder.trials()
    stopped = [trial for trial in trials if trial.is_stopped]
    assert stopped and not any(trial.is_baseline for trial in stopped)
    for trial in stopped:
        # At the first rung; a stage may have ended before it.
        assert trial.records[-1].epoch == 1
        assert trial.steps_trained <= 6
    assert spent(trials) == 4


def test_a_finished_study_goes_on_with_a_larger_budget(tiny, tmp_path):
    given = tiny_recipe(tiny, space="progtuning", budget=1, training={"epochs": 1})
    folder = search(given, studies_dir=tmp_path).folder
    assert set(folder.info.contributions) == {
        "depth", "relative_grad_norm", "taylor", "block_influence"
    }  # fmt: skip
    view = Watcher()
    assert len(resume("tiny", studies_dir=tmp_path, view=view).optuna.trials) == 5
    assert view.told == [("finished", "budget")]

    folder = resume("tiny", studies_dir=tmp_path, budget=3, view=view).folder
    assert ("started", 0, 0, 2) in view.told
    states = [trial.state for trial in folder.study.trials]
    assert states == [TrialState.COMPLETE] * 7
    assert [session.trials for session in sessions_of(folder.study)] == [5, 2]

    train_file = tiny / "train-48.csv"
    before = train_file.read_text()
    train_file.write_text(before + "good good good,bad\n")
    try:
        with pytest.raises(StudyError, match="the data of study tiny changed"):
            resume("tiny", studies_dir=tmp_path, budget=4)
    finally:
        train_file.write_text(before)


def test_a_mistake_in_the_task_leaves_no_study_behind(tiny, tmp_path):
    given = tiny_recipe(tiny)
    task = given.task.model_copy(update={"label_column": "topic"})
    with pytest.raises(TaskError, match="topic") as error:
        search(given.model_copy(update={"task": task}), studies_dir=tmp_path)
    assert type(error.value) is TaskError
    assert study_names(tmp_path) == []


def test_gpus_that_are_not_there_are_refused(tiny, tmp_path):
    if ray.cluster_resources().get("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=r"0.5 GPUs were asked for and 0 are there"):
        search(tiny_recipe(tiny, gpus_per_trial=0.5), studies_dir=tmp_path)


def test_a_search_whose_time_is_up_can_be_resumed(tiny, tmp_path):
    view = Watcher()
    with pytest.raises(NothingUsable, match="no trial of study tiny has a result"):
        search(tiny_recipe(tiny, time_limit=0.1), studies_dir=tmp_path, view=view)
    assert view.told[-1] == ("finished", "time limit")
    assert study_names(tmp_path) == ["tiny"]


def test_a_search_in_a_database_ends_without_a_trace_of_its_password(
    tiny, tmp_path, monkeypatch, capfd
):
    monkeypatch.delenv("PROGSEARCH_STORAGE_PASSWORD", raising=False)
    view = Watcher()
    given = tiny_recipe(tiny, storage=guarded_url(tmp_path / "trials.db"), budget=1)
    folder = search(given, studies_dir=tmp_path, view=view).folder
    assert spent(folder.trials()) == 1
    assert any("PROGSEARCH_STORAGE_PASSWORD" in str(words) for words in view.told)
    with pytest.raises(StudyError, match="set PROGSEARCH_STORAGE_PASSWORD"):
        resume("tiny", studies_dir=tmp_path, budget=2)
    monkeypatch.setenv("PROGSEARCH_STORAGE_PASSWORD", PASSWORD)
    assert spent(resume("tiny", studies_dir=tmp_path, budget=2).folder.trials()) == 2
    output = capfd.readouterr()
    assert leaks(tmp_path, str(view.told), output.out, output.err) == []


def test_a_search_that_learned_nothing_returns_its_study(tiny, tmp_path):
    """The command line makes an exit code of it."""
    given = tiny_recipe(tiny, budget=1, training={"learning_rate": 0.5})
    folder = search(given, studies_dir=tmp_path).folder
    report = study_report(folder.study)
    assert report.nothing_learned.startswith("nothing was learned: no reference beats")
    full = next(trial for trial in report.trials if trial.name == "full")
    assert full.records[-1].constant
    assert report.to_dict()["trials"][full.number]["collapsed"]["learning_rate"] == 0.5
