"""Paths that cannot be read or written give a clear message before any work, and exit code 2."""

import errno
import os

import pytest

from progsearch import cli
from progsearch.config import Recipe, TaskConfig
from progsearch.study.folder import create_study

LONG = "n" * 300
CONFIG = (
    "progsearch_version: 0.1.0\nmodel: minilm-l6\ntask: {name: bbc-headlines}\n"
    "stages: [{start: 0, end: 1, trainable_blocks: [5], embeddings: false}]\n"
)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("progsearch.training.TrainingRun.from_config", pytest.fail)
    (tmp_path / "best.yaml").write_text(CONFIG)
    (tmp_path / "file").touch()


@pytest.fixture
def mine(tmp_path):
    return create_study(
        Recipe(task=TaskConfig(name="bbc-headlines"), study="mine"), tmp_path / "studies"
    )


@pytest.mark.parametrize("folder", ["file", "file/below", LONG, f"new/{LONG}", "/proc/new"])
def test_a_model_that_could_not_be_saved_is_not_trained(refused, tmp_path, folder):
    message = refused("train", "best.yaml", "--output-dir", folder)
    assert message.startswith(f"Error: --output-dir: {folder} cannot be written: ")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["metrics.json", "model.safetensors", "tokenizer.json"])
def test_a_file_of_the_model_that_cannot_be_replaced(refused, tmp_path, name):
    (tmp_path / "model" / name).mkdir(parents=True)
    message = refused("train", "best.yaml", "--output-dir", "model", "--overwrite")
    assert f"model/{name} cannot be written: it is a folder" in message


@pytest.mark.parametrize("name", ["file/space.yaml", f"{LONG}.yaml", "/proc/space.yaml"])
def test_a_copy_that_cannot_be_written(refused, name):
    assert refused("cp", "quick", name).startswith("Error: FILE: ")


@pytest.mark.parametrize("name", ["file/best.yaml", f"{LONG}.yaml", "/proc/best.yaml"])
def test_an_export_that_cannot_be_written(refused, mine, name):
    assert refused("export", "mine", "--out", name).startswith("Error: --out: ")


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/studies"])
def test_a_search_whose_study_could_not_be_kept(refused, place):
    arguments = ("run", "--task", "bbc-headlines", "--studies-dir", place)
    assert refused(*arguments).startswith(f"Error: --studies-dir: {place} cannot be written: ")


def test_a_study_whose_name_is_too_long(refused, tmp_path):
    message = refused("run", "--task", "bbc-headlines", "--study", LONG)
    assert message.startswith("Error: --study: ") and "File name too long" in message
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize("command", ["status", "report", "resume", "dashboard"])
def test_a_name_that_no_study_can_have(refused, command):
    assert "there is no study" in refused(command, LONG)


@pytest.mark.parametrize(
    ("command", "options"), [("report", ()), ("resume", ()), ("confirm", ("--seeds", 2))]
)
def test_a_study_in_a_read_only_place(refused, mine, monkeypatch, command, options):
    opens = os.open

    def refuse(path, flags, *arguments, **settings):
        if flags & os.O_CREAT and str(mine.path) in os.fsdecode(path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return opens(path, flags, *arguments, **settings)

    monkeypatch.setattr(os, "open", refuse)
    message = refused(command, "mine", *options)
    assert message.startswith(f"Error: study mine: {mine.path} cannot be written: Read-only")


def test_a_file_of_the_study_that_cannot_be_written(refused, mine):
    (mine.path / "ray").touch()
    assert "ray is a file" in refused("resume", "mine")
    (mine.path / "ray").unlink()
    (mine.path / "report.json").mkdir()
    assert "report.json cannot be written: it is a folder" in refused("report", "mine")


@pytest.mark.parametrize("name", [".", LONG, "file/below"])
def test_files_that_cannot_be_read(refused, name):
    for arguments in (
        ("validate", name),
        ("run", name),
        ("train", name, "--output-dir", "model"),
        ("run", "--train-file", name),
        ("run", "--task", "bbc-headlines", "--space", f"{name}/space.yaml"),
        ("run", "--task", "bbc-headlines", "--model", f"./{name}/model"),
    ):
        refused(*arguments)


def test_a_file_that_is_no_text(refused, tmp_path):
    (tmp_path / "recipe.yaml").write_bytes(b"task: \xff")
    assert "recipe.yaml: is not UTF-8 (byte 6)" in refused("run", "recipe.yaml")


@pytest.mark.parametrize(
    ("number", "file", "code", "named"),
    [
        (errno.ENOSPC, None, 3, "a file"),
        (errno.EIO, "studies/mine/journal.log", 3, "studies/mine/journal.log"),
        (errno.EACCES, "studies/mine/journal.log", 2, "studies/mine/journal.log"),
    ],
)
def test_an_error_of_the_disk_in_any_line(monkeypatch, capsys, number, file, code, named):
    def fail(*arguments, **settings):
        raise OSError(number, os.strerror(number), file)

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == code
    said = f"Error: {named} cannot be used: {os.strerror(number)}\n"
    assert capsys.readouterr().err == said


def test_a_cache_that_cannot_be_made_is_said_before_ray_starts(refused, monkeypatch):
    monkeypatch.setenv("PROGSEARCH_CACHE", "/proc/cache")
    message = refused("run", "--task", "bbc-headlines")
    assert message.startswith("Error: PROGSEARCH_CACHE: cache folder /proc/cache/")
    monkeypatch.delenv("PROGSEARCH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc")
    assert "/proc/.cache" in refused("run", "--task", "bbc-headlines")


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(*arguments, **settings):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "x")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(FileNotFoundError):
        cli.main()
