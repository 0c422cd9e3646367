import warnings

import pytest
import yaml

from progsearch.config import (
    ContributionConfig,
    RunConfig,
    StageConfig,
    TaskConfig,
    TrainingConfig,
    method_of,
)
from progsearch.errors import ConfigError
from progsearch.schedule import Schedule
from progsearch.schedule.files import read_config, write_config
from progsearch.study.export import config_of
from progsearch.study.metadata import info_of, trials_of
from progsearch.version import __version__
from tests.support.fake_study import fake_study


@pytest.fixture(scope="module")
def study():
    return fake_study()


@pytest.fixture
def config(study):
    return config_of(trials_of(study)[1], info_of(study), study.study_name)


def edited(tmp_path, config, change):
    """The file of ``config`` after ``change`` was made to its data."""
    path = tmp_path / "edited.yaml"
    write_config(config, path)
    data = yaml.safe_load(path.read_text())
    change(data)
    path.write_text(yaml.safe_dump(data))
    return path


# -- round trip ------------------------------------------------------------------------------


def test_every_trial_comes_back_as_it_was_written(study, tmp_path):
    for trial in trials_of(study):
        if trial.is_complete:
            config = config_of(trial, info_of(study), study.study_name)
            write_config(config, tmp_path / "config.yaml")
            assert read_config(tmp_path / "config.yaml") == config


def test_a_config_with_every_field_set_comes_back(tmp_path):
    config = RunConfig(
        progsearch_version=__version__,
        model="models/größe: 1",
        task=TaskConfig(name="own", train_file="a.csv", text_columns=("one", "two"), metric="f1"),
        method=method_of("lora", lora_rank=4, lora_alpha=1e-3),
        training=TrainingConfig(learning_rate=1e-5, seed=7, precision="bf16"),
        contribution=ContributionConfig(
            metric="fisher", scores=(1e-12, 3e8), rescored=((0.5, -1.0), (2.0, 1e-9))
        ),
        stages=(
            StageConfig(start=0, end=1 / 3, trainable_blocks=(0, 2), embeddings=True),
            StageConfig(start=1 / 3, end=1, trainable_blocks=(), embeddings=False),
        ),
        costs={"flops": 1.25e15, "n_blocks": 3},
        results={"value": 0.1 + 0.2, "split": "validation"},
    )
    write_config(config, tmp_path / "config.yaml")
    assert read_config(tmp_path / "config.yaml") == config


def test_the_file_says_how_to_use_it_and_holds_no_empty_fields(config, tmp_path):
    write_config(config, tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text()
    assert "progsearch train THIS_FILE" in text.splitlines()[1]
    assert "null" not in text
    assert "trainable_blocks: [2, 3, 4, 5]" in text
    assert list(yaml.safe_load(text)) == [
        "progsearch_version", "model", "task", "method", "training", "stages", "costs", "results",
    ]  # fmt: skip


def test_the_file_gives_a_schedule(config, tmp_path):
    write_config(config, tmp_path / "config.yaml")
    assert Schedule.from_file(tmp_path / "config.yaml") == Schedule.progtuning(6, 3)


def test_a_file_that_cannot_be_written_is_one_sentence(config, tmp_path):
    with pytest.raises(ConfigError, match="no_folder.*cannot be written: No such file"):
        write_config(config, tmp_path / "no_folder" / "config.yaml")


# -- wrong files -----------------------------------------------------------------------------


def test_every_mistake_is_reported_at_once(config, tmp_path):
    def change(data):
        data["training"]["epochs"] = 0
        data["training"]["learning_rat"] = 1e-4
        data["method"]["name"] = "prefix"
        del data["model"]
        data["stages"][1]["start"] = 0.5

    with pytest.raises(ConfigError) as caught:
        read_config(edited(tmp_path, config, change))
    assert [place for place, _ in caught.value.problems] == [
        "model", "method.name", "training.epochs", "training.learning_rat", "",
    ]  # fmt: skip
    assert "stages.1.start must be 0.333333" in str(caught.value)
    assert "has 5 errors" in str(caught.value)


@pytest.mark.parametrize(
    ("stage", "key", "value", "message"),
    [
        (0, "end", 0.2, "stages.1.start must be 0.2"),
        (2, "end", 0.9, "stages.2.end must be 1"),
        (1, "trainable_blocks", [5, 4], "stages.1.trainable_blocks must ascend"),
        (1, "trainable_blocks", [5, 6], "stages.1.trainable_blocks must lie in 0..5"),
        (0, "trainable_blocks", "all", "stages.0.trainable_blocks"),
        (0, "start", float("nan"), "stages.0.start must be 0"),
        (0, "extra", 1, "stages.0.extra: unknown key"),
    ],
)
def test_impossible_stages(config, tmp_path, stage, key, value, message):
    path = edited(tmp_path, config, lambda data: data["stages"][stage].update({key: value}))
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_stages_are_checked_without_costs_too(config, tmp_path):
    path = edited(tmp_path, config, lambda data: data.pop("costs"))
    assert read_config(path).costs is None
    path = edited(tmp_path, config, lambda data: (data.pop("costs"), data["stages"].pop()))
    with pytest.raises(ConfigError, match="stages.1.end must be 1"):
        read_config(path)


@pytest.mark.parametrize("text", ["", "42", "- a", "stages: [", "\x00", "model: {a: 1"])
def test_files_that_are_no_config(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="broken.yaml"):
        read_config(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        read_config(tmp_path / "none.yaml")


# -- versions --------------------------------------------------------------------------------


def with_new_keys(data):
    data["progsearch_version"] = "99.1.0"
    data["scheduler"] = {"kind": "x"}
    data["training"]["ema"] = 0.9
    data["stages"][1]["loss"] = "mean"


def test_unknown_keys_of_a_newer_version_warn_and_are_dropped(config, tmp_path):
    path = edited(tmp_path, config, with_new_keys)
    with pytest.warns(UserWarning, match="99.1.0.*: .*stages.1.loss") as caught:
        read = read_config(path)
    assert "training.ema" in str(caught[0].message)
    assert "scheduler" in str(caught[0].message)
    assert read == config.model_copy(update={"progsearch_version": "99.1.0"})


def test_a_newer_version_does_not_excuse_wrong_values(config, tmp_path):
    def change(data):
        with_new_keys(data)
        data["training"]["epochs"] = -1

    with pytest.warns(UserWarning), pytest.raises(ConfigError, match="training.epochs"):
        read_config(edited(tmp_path, config, change))


@pytest.mark.parametrize("version", ["0.0.9", __version__, "x", None])
def test_unknown_keys_of_this_and_older_versions_are_refused(config, tmp_path, version):
    def change(data):
        with_new_keys(data)
        data["progsearch_version"] = version

    with pytest.raises(ConfigError, match="scheduler: unknown key"):
        read_config(edited(tmp_path, config, change))


def test_a_newer_version_without_unknown_keys_reads_without_a_warning(config, tmp_path):
    path = edited(tmp_path, config, lambda data: data.update(progsearch_version="99.0"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_config(path).stages == config.stages
