"""Runs are logged by Ray's own loggers; without Ray."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from progsearch.config import Recipe, TaskConfig
from progsearch.errors import ConfigError
from progsearch.schedule import Schedule
from progsearch.strategy.source import Assignment, Failed
from progsearch.workers import loggers
from progsearch.workers.log_targets import check_log_targets
from tests.support.fake_study import FakeStudy
from tests.support.fakes import finished, progress


class Folder(SimpleNamespace):
    """The study's folder, as far as loggers use it."""

    def trial(self, number):
        return self.fake.trials[number]


@pytest.fixture
def folder(tmp_path):
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    fake.searched(1)
    return Folder(
        path=tmp_path,
        name="fake",
        fake=fake,
        resume_line="progsearch resume fake",
        recipe=Recipe(task=TaskConfig(name="mrpc"), log_to=("tensorboard",)),
    )


def tune_trial(folder, number):
    run = folder.trial(number).run
    return Tuned(trial_id=f"id-{number}", config={"assignment": Assignment(number, run)})


class Tuned(SimpleNamespace):
    """A trial of Tune."""

    def __str__(self):
        return f"trial-{self.config['assignment'].number}-seed-0"


def log(logger, folder, number, *messages):
    """Call a logger in the order that Tune does."""
    trial = tune_trial(folder, number)
    logger.on_trial_start(0, [trial], trial)
    for iteration, message in enumerate(messages, start=1):
        result = {"message": message, "training_iteration": iteration}
        logger.on_trial_result(iteration, [trial], trial, result)
    logger.on_trial_complete(9, [trial], trial)


def run_all(folder, *messages, notes=None):
    for logger in loggers.loggers_of(folder, ([] if notes is None else notes).append):
        logger.setup()
        log(logger, folder, 0, *messages)
        log(logger, folder, 1, *messages)
        logger.on_experiment_end([])


def test_nothing_is_logged_unless_asked_for(folder):
    folder.recipe = Recipe(task=TaskConfig(name="mrpc"))
    assert loggers.loggers_of(folder, print) == []


def test_tensorboard_files_have_each_epoch_and_the_settings(folder):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run_all(folder, progress(1), finished())
    names = sorted(path.name for path in (folder.path / "tensorboard").iterdir())
    assert names == ["trial-0-seed-0", "trial-1-seed-0"]
    found = events.EventAccumulator(str(folder.path / "tensorboard" / names[1])).Reload()
    scalars = {tag.rpartition("/")[2]: found.Scalars(tag) for tag in found.Tags()["scalars"]}
    records = [progress(1).record, finished().record]
    for metric in records[0].metrics:
        values = [(event.step, pytest.approx(event.value)) for event in scalars[metric]]
        assert values == [(record.step, record.metrics[metric]) for record in records]
    assert [event.value for event in scalars["epoch"]] == [record.epoch for record in records]
    (plugin,) = (data for data in [found.PluginTagToContent("hparams")] if data)
    assert b"n_stages" in b"".join(plugin.values())


@pytest.mark.slow
def test_mlflow_has_a_run_per_trial(folder, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder.recipe = Recipe(task=TaskConfig(name="mrpc"), log_to=("mlflow",))
    run_all(folder, progress(1), finished())
    client = mlflow.MlflowClient(f"sqlite:///{folder.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("fake")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == ["trial-0-seed-0", "trial-1-seed-0"]
    run = runs["trial-0-seed-0"]
    assert run.data.params["reference"] == "full"
    assert "n_stages" in runs["trial-1-seed-0"].data.params
    (name, *_) = finished().record.metrics
    history = client.get_metric_history(run.info.run_id, name)
    assert [point.step for point in history] == [progress(1).record.step, finished().record.step]
    assert run.info.status == "FINISHED"


class Heard:
    """A logger that records its calls."""

    def __init__(self, error=None, begins=True):
        self.calls, self.error, self.begins = [], error, begins

    def setup(self):
        if not self.begins:
            raise ValueError("no server answers")

    def log_trial_start(self, run):
        self.calls.append(("start", str(run), run.config["trial"]))

    def log_trial_result(self, iteration, run, result):
        if self.error is not None:
            raise self.error
        self.calls.append(("result", str(run), result["training_iteration"]))

    def log_trial_end(self, run, failed):
        self.calls.append(("end", str(run), failed))

    def on_experiment_end(self, trials):
        self.calls.append(("all",))


@pytest.fixture
def heard(monkeypatch):
    found = Heard()
    monkeypatch.setattr(loggers, "_logger", lambda target, folder: found)
    return found


def test_how_runs_end(folder, heard):
    (logger,) = loggers.loggers_of(folder, print)
    log(logger, folder, 0, progress(1), Failed("the loss is not finite"))
    lost, halted = tune_trial(folder, 0), tune_trial(folder, 1)
    logger.on_trial_start(0, [lost], lost)
    logger.on_trial_error(0, [lost], lost)
    logger.on_trial_start(0, [halted], halted)
    logger.on_experiment_end([halted])
    first, second = "trial-0-seed-0", "trial-1-seed-0"
    assert heard.calls == [
        ("start", first, 0),
        ("result", first, 1),
        ("end", first, True),
        ("start", first, 0),
        ("end", first, True),
        ("start", second, 1),
        ("end", second, True),
        ("all",),
    ]


def test_a_logger_that_fails_is_said_once_and_loses_no_run(folder, heard):
    heard.error = OSError("no space left")
    notes = []
    run_all(folder, progress(1), finished(), notes=notes)
    assert notes == ["tensorboard failed, so nothing more is logged to it: no space left"]


def test_a_logger_that_cannot_begin_ends_the_work(folder, heard):
    heard.begins = False
    with pytest.raises(ConfigError, match="no server answers; .* `progsearch resume fake`"):
        run_all(folder)


def test_what_is_missing_is_said_with_its_extra(monkeypatch):
    monkeypatch.setattr("progsearch.workers.log_targets.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .*\[mlflow\]'"):
        check_log_targets(["mlflow"])
    check_log_targets([])


def test_a_folder_of_that_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ConfigError, match=r"pip install .*\[wandb\]'"):
        check_log_targets(["wandb"])


@pytest.mark.parametrize(
    ("environment", "key", "is_ready"),
    [({}, None, False), ({}, "k", True), ({"WANDB_MODE": "offline"}, None, True)],
)
def test_wandb_needs_an_account_or_to_be_offline(monkeypatch, environment, key, is_ready):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    module = SimpleNamespace(api=SimpleNamespace(api_key=key), origin="wandb.py")
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setattr("progsearch.workers.log_targets.find_spec", lambda name: module)
    if is_ready:
        check_log_targets(["wandb"])
    else:
        with pytest.raises(ConfigError, match="run `wandb login`"):
            check_log_targets(["wandb"])


def test_wandb_gets_the_study_as_its_group(folder, monkeypatch):
    integration = importlib.import_module("ray.air.integrations.wandb")
    monkeypatch.setattr(integration, "wandb", SimpleNamespace())
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    made = loggers._logger("wandb", folder)
    assert (made.project, made.group) == ("progsearch", "fake")
