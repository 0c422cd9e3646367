"""Databases that do not answer for a while."""

import json
import threading
import time

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from progsearch.errors import MachineFailed, StudyError
from progsearch.study import database as databases
from progsearch.study import folder as folders
from progsearch.study import storage as storages
from progsearch.study import told_later as later
from progsearch.study.folder import create_study, open_study
from progsearch.study.outbox import Change, Outbox
from progsearch.study.told_later import told_later
from tests.support.blinking import Blinking, patient
from tests.support.fakes import new_folder, recipe, run_all, source_of, space_of

URL = "postgresql://u:***@h/db"


@pytest.fixture
def database(monkeypatch):
    """A database that every study of the test is in."""
    found = Blinking()

    def open_storage(url, journal, *, patience, waits):
        if url is None:
            return storages.open_storage(url, journal)
        return patient(found, patience=patience)

    monkeypatch.setattr(folders, "open_storage", open_storage)
    monkeypatch.setattr(later, "_SHORT", 0.5)
    monkeypatch.setattr(databases, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(databases, "_LONGEST_PAUSE", 0.05)
    return found


@pytest.fixture
def study(tmp_path, database):
    return create_study(recipe(storage=URL, storage_timeout=5), tmp_path)


def there(database):
    """The trials in the database: state, values and one attribute."""
    trials = database.get_all_trials(0)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    return [(t.state.name, t.values, t.user_attrs.get("metrics")) for t in trials]


def work(study, number=0):
    kinds = {"x": FloatDistribution(0, 1), "c": CategoricalDistribution(["a", None])}
    trial = create_trial(
        state=TrialState.RUNNING,
        params={"x": 0.25, "c": None},
        distributions=kinds,
        user_attrs={"key": ("a", 1)},
    )
    study.add(trial)
    study.keep(number, {"metrics": {"f1": 0.5}})
    study.study.tell(number, [0.5, 0.1])


def wait_until_told(study):
    deadline = time.monotonic() + 10
    while (study.path / "outbox.log").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


DONE = ("COMPLETE", [0.5, 0.1], {"f1": 0.5})


def test_the_work_goes_on_while_the_database_is_gone(study, database):
    with study.locked():
        work(study, 0)
        wait_until_told(study)
        database.is_down = True
        began = time.monotonic()
        for number in (1, 2):
            work(study, number)
        study.study.set_user_attr("note", (1, 2))
        assert time.monotonic() - began < 1
        assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 3
        assert study.study.user_attrs["note"] == [1, 2]
        threading.Timer(0.5, lambda: setattr(database, "is_down", False)).start()
    assert there(database) == [DONE] * 3
    assert study.study.user_attrs["note"] == [1, 2]
    assert not (study.path / "outbox.log").exists()
    # All else is as if the database had been there.
    kept = study.study.trials[2]
    assert kept.params == {"x": 0.25, "c": None}
    assert kept.distributions["x"] == FloatDistribution(0, 1)
    assert kept.user_attrs["key"] == ["a", 1]
    assert kept.datetime_start is not None and kept.datetime_complete is not None


@pytest.mark.parametrize(
    "method", ["create_new_trial", "set_trial_state_values", "set_trial_user_attr"]
)
def test_what_was_told_before_the_connection_was_lost_is_not_told_twice(study, database, method):
    with study.locked():
        database.loses = {method}
        work(study)
    assert there(database) == [DONE]
    assert database.calls.count("create_new_trial") == 1
    assert database.calls.count("set_trial_state_values") == 1


def test_what_a_killed_process_could_not_tell_is_told_by_the_next(study, database, tmp_path):
    with pytest.raises(RuntimeError), study.locked():
        work(study, 0)
        wait_until_told(study)
        database.is_down = True
        work(study, 1)
        kept = (study.path / "outbox.log").read_bytes()
        raise RuntimeError("killed")
    assert (study.path / "outbox.log").exists()
    database.is_down = False
    # A kill in the middle of a line; what was told before the kill stands in the file, too.
    first = json.dumps(["user", 0, "metrics", {"f1": 0.5}]).encode() + b"\n"
    (study.path / "outbox.log").write_bytes(first + kept + b'["add", 2, ')
    again = open_study("fake", tmp_path)
    with again.locked():
        assert [trial.state for trial in again.trials()] == [TrialState.COMPLETE] * 2
        work(again, 2)
    assert there(database) == [DONE] * 3
    assert not (study.path / "outbox.log").exists()


def test_after_its_patience_the_work_ends_and_all_is_kept(tmp_path, database):
    study = create_study(recipe(storage=URL, storage_timeout=0.3), tmp_path)

    def session():
        with study.locked():
            work(study, 0)
            database.is_down = True
            for number in range(1, 1000):
                work(study, number)
                time.sleep(0.05)

    with pytest.raises(MachineFailed, match=r"did not answer for 0.3 s \(server closed .*") as e:
        session()
    assert str(study.path / "outbox.log") in str(e.value)
    assert f"`{study.resume_line}`" in str(e.value)
    database.is_down = False
    with open_study("fake", tmp_path).locked():
        pass
    trials = there(database)
    assert len(trials) > 2 and trials[:-1] == [DONE] * (len(trials) - 1)


def test_a_call_that_hangs_ends_it_too(tmp_path, database, monkeypatch):
    study = create_study(recipe(storage=URL, storage_timeout=0.2), tmp_path)
    hanging = threading.Event()
    with pytest.raises(MachineFailed, match="no answer"), study.locked():
        monkeypatch.setattr(database, "set_study_user_attr", lambda *_: hanging.wait(60))
        study.study.set_user_attr("a", 1)
        time.sleep(0.5)
        # The thread is left to itself.
        threading.Timer(0.1, hanging.set).start()
        study.study.set_user_attr("b", 1)


def test_a_search_over_a_database_that_blinks_is_the_search_over_a_journal(tmp_path, database):
    """Trials, numbers and results are the same, and none is there twice."""
    settings = {"sampler": "random", "budget": 4, "space": "quick"}

    def searched(name, **changes):
        given = recipe(study=name, **settings, **changes)
        space = space_of(given)
        folder = new_folder(tmp_path, given, space)
        with folder.locked():
            run_all(source_of(folder, space))
        return folder, [(t.key, t.params, t.frozen.values, t.state) for t in folder.trials()]

    stop = threading.Event()

    def blink():
        while not stop.wait(0.03):
            database.is_down = not database.is_down

    blinking = threading.Thread(target=blink)
    blinking.start()
    try:
        folder, found = searched("a", storage=URL)
    finally:
        stop.set()
        blinking.join()
        database.is_down = False
    assert len(found) >= 8
    assert found == searched("b")[1]
    assert all(trial.is_complete for trial in folder.trials())


def test_an_older_copy_of_the_database_is_refused(study, database):
    trial = create_trial(state=TrialState.RUNNING)
    Outbox(study.path / "outbox.log").put(Change.adding(5, trial))
    with pytest.raises(StudyError, match="0 trials of the study where it had 5"), study.locked():
        pass


def test_a_damaged_file_is_named(study, tmp_path):
    (study.path / "outbox.log").write_text("[1, 2\nnull\n")
    with pytest.raises(StudyError, match=r"outbox.log is damaged"), study.locked():
        pass


def test_reading_is_tried_again(study, database):
    database.is_down = True
    threading.Timer(0.3, lambda: setattr(database, "is_down", False)).start()
    assert study.trials() == []


def test_a_study_is_created_and_deleted_once(tmp_path, database):
    database.loses = {"create_new_study"}
    study = create_study(recipe(storage=URL), tmp_path)
    database.loses = {"delete_study"}
    optuna.delete_study(study_name="fake", storage=study.storage)
    assert database.get_all_studies() == []


def test_an_error_of_another_kind_is_not_waited_for(study, database, monkeypatch):
    def refuse(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(database, "set_study_user_attr", refuse)
    with pytest.raises(ZeroDivisionError), study.locked():
        study.study.set_user_attr("a", 1)
    with (
        pytest.raises(ZeroDivisionError),
        told_later(study.storage, "fake", study.path / "outbox.log", ""),
    ):
        pass
