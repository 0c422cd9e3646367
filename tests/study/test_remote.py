import dataclasses
import json
import logging
import os
import shutil
import time

import pytest

from progsearch import load_study
from progsearch.api import prepare
from progsearch.config import StorageUrl
from progsearch.errors import ConfigError, StudyError
from progsearch.report.files import write_report
from progsearch.study import remote
from progsearch.study.folder import create_study, open_study, study_names
from progsearch.study.lock import LOCK, Holder
from progsearch.study.removal import remove
from tests.support.fakes import recipe

OTHER = dataclasses.replace(Holder.of("search"), host="elsewhere")


@pytest.fixture
def place(tmp_path):
    """What a URL leads to."""
    return tmp_path / "place"


@pytest.fixture
def on(tmp_path, monkeypatch, place):
    """Go on at a machine; returns its folder of all studies."""

    def machine(name):
        monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / name))
        return remote.studies_folder(f"file://{place}")

    return machine


@pytest.fixture
def study(on, tmp_path):
    """A study that a machine has made at a URL."""
    given = recipe(storage=StorageUrl(f"sqlite:///{tmp_path}/trials.db"))
    made = create_study(given, on("first"))
    with made.owned("search"):
        (made.path / "confirm.json").write_text("[1]")
        (made.path / "ray").mkdir()
        (made.path / "ray" / "state").write_text("large")
        (made.path / "artifacts").mkdir()
        (made.path / "artifacts" / "plot").write_text("x")
    return made


def files(folder):
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found)


def test_a_path_is_what_it_was(tmp_path):
    assert remote.studies_folder(tmp_path) == tmp_path
    assert remote.studies_folder("studies").name == "studies"
    assert remote.url_of(tmp_path) is None


def test_a_study_is_opened_on_another_machine_as_it_was_left(study, on, place):
    kept = [".lock", "artifacts/plot", "confirm.json", "study.yaml"]
    assert files(place / "fake") == kept
    folder = on("second")
    assert study_names(folder) == ["fake"]
    found = open_study("fake", folder)
    assert found.recipe == study.recipe
    assert found.study.trials == study.study.trials
    assert [name for name in files(found.path) if name != ".copied.json"] == kept
    assert (found.path / "artifacts" / "plot").read_text() == "x"
    assert found.path.stat().st_mode & 0o777 == 0o700


def test_changes_and_removed_files_go_from_machine_to_machine(study, on):
    found = open_study("fake", on("second"))
    with found.owned("confirmation"):
        (found.path / "confirm.json").write_text("[1, 2]")
        (found.path / "artifacts" / "plot").unlink()
    again = open_study("fake", on("first"))
    assert again.path == study.path
    assert (again.path / "confirm.json").read_text() == "[1, 2]"
    assert not (again.path / "artifacts" / "plot").exists()


def test_only_what_changed_is_copied(study, on, place, monkeypatch):
    before = {name: (place / "fake" / name).stat().st_mtime_ns for name in files(place / "fake")}
    with study.owned("report"):
        (study.path / "confirm.json").write_text("[1, 2]")
    after = {name: (place / "fake" / name).stat().st_mtime_ns for name in files(place / "fake")}
    assert {name for name in after if before[name] != after[name]} == {"confirm.json", ".lock"}


def test_changes_that_could_not_be_copied_are_copied_by_the_next_command(study, on, place, caplog):
    caplog.set_level(logging.WARNING)
    moved = place.rename(place.with_name("away"))
    place.write_text("no folder")
    (study.path / "artifacts" / "plot").write_text("y")
    remote.send(study.path)
    assert "what changed is copied later" in caplog.text
    place.unlink()
    moved.rename(place)
    folder = open_study("fake", on("first"))
    assert (folder.path / "artifacts" / "plot").read_text() == "y"
    (folder.path / "confirm.json").unlink()
    write_report(folder)
    assert (place / "fake" / "artifacts" / "plot").read_text() == "y"
    assert (place / "fake" / "report.html").exists()


def test_while_one_machine_works_in_a_study_no_other_does(study, on, place):
    with study.owned("search"):
        held = (study.path / LOCK).read_text()
        assert json.loads(held)["work"] == "search"
        remote.send(study.path)
        # The other machine has another name.
        (place / "fake" / LOCK).write_text(json.dumps(dataclasses.asdict(OTHER)))
        found = open_study("fake", on("second"))
        with pytest.raises(StudyError, match=r"in use by process \d+ on elsewhere, heard of 0 s"):
            found.owned("search").__enter__()


def test_a_machine_that_is_silent_for_long_has_died(study, on, place):
    lock = place / "fake" / LOCK
    lock.write_text(json.dumps(dataclasses.asdict(OTHER)))
    os.utime(lock, (lock.stat().st_atime, lock.stat().st_mtime - 80))
    found = open_study("fake", on("second"))
    with found.owned("search"):
        pass
    assert lock.read_text() == ""


def test_a_working_machine_says_that_it_lives_and_copies_meanwhile(study, place, monkeypatch):
    monkeypatch.setattr(remote, "_SECONDS_BETWEEN", 0.02)
    with study.owned("search"):
        (study.path / "confirm.json").write_text("[4]")
        first = last = 0
        for _ in range(500):
            copied = (place / "fake" / "confirm.json").read_text() == "[4]"
            last = (place / "fake" / LOCK).stat().st_mtime_ns
            first = first or last
            if copied and last > first:
                break
            time.sleep(0.01)
        assert copied
        assert last > first


def test_a_removed_study_is_gone_from_the_url_and_from_other_machines(study, on, place):
    open_study("fake", on("second"))
    on("first")
    remove(study)
    assert files(place / "fake") == []
    assert study_names(on("second")) == []


def test_a_study_needs_a_database(on):
    with pytest.raises(ConfigError, match="--studies-dir: a URL needs a database"):
        prepare(recipe(), on("first"))


def test_a_url_that_cannot_be_written_is_found_out_before_the_search(on, tmp_path, place):
    folder = on("first")
    place.write_text("no folder")
    with pytest.raises(ConfigError, match=r"--studies-dir: file:.* cannot be read or written"):
        remote.check_usable(folder, StorageUrl(f"sqlite:///{tmp_path}/trials.db"))


@pytest.mark.parametrize("url", ["ftp://host/a", "s3://user:password@bucket/a", "s3://a?key=1"])
def test_other_urls_and_secrets_are_refused(url):
    with pytest.raises(ConfigError, match="--studies-dir: must"):
        remote.studies_folder(url)


def test_commands_and_messages_name_the_url(study, on, place):
    assert study.resume_line == f"progsearch resume fake --studies-dir file://{place}"
    with pytest.raises(StudyError, match=f"no study 'x' in file://{place}"):
        open_study("x", on("first"))


def test_python_takes_the_url(study, on, place):
    on("second")
    assert load_study("fake", f"file://{place}").recipe == study.recipe


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": [1, 2]}'])
def test_a_damaged_list_of_copied_files_has_all_copied_again(study, on, content):
    found = open_study("fake", on("second"))
    (found.path / ".copied.json").write_text(content)
    shutil.rmtree(found.path / "artifacts")
    assert "artifacts/plot" in files(open_study("fake", on("second")).path)
