import subprocess
import sys

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from progsearch.config import TaskConfig
from progsearch.errors import ConfigError, StudyError
from progsearch.study.folder import create_study, default_name, open_study, study_names
from progsearch.study.info import StudyInfo
from tests.support.fakes import recipe

TORN = b'{"op_code":8,"worker_id":"1f","trial_id":0,"user_a'


def add_trial(folder):
    folder.study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"key": "k"}))


def test_a_study_is_a_folder_that_can_be_opened_again(tmp_path):
    given = recipe(objectives=("metric", "flops"), budget=7)
    info = StudyInfo(metric="f1", contributions={"depth": (1.0, 2.0)}, majority=0.5)
    made = create_study(given, tmp_path / "studies", info)
    found = open_study("fake", tmp_path / "studies", read_only=True)
    assert found.recipe == made.recipe == given
    assert found.info == made.info == info
    assert found.study.user_attrs["recipe"]["budget"] == 7
    assert found.study.metric_names == ["f1", "flops"]
    assert [direction.name for direction in found.study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert open_study(made.path).path == made.path
    assert study_names(tmp_path / "studies") == ["fake"]


def test_a_study_without_a_name_is_called_by_its_task_and_model(tmp_path):
    given = recipe(study=None, task=TaskConfig(name="owner/my data"), model="google/bert-base")
    assert default_name(given) == "my-data-bert-base"
    assert create_study(given, tmp_path).recipe.study == "my-data-bert-base"


def test_a_taken_name_is_refused_with_the_line_that_goes_on(tmp_path):
    create_study(recipe(), tmp_path)
    with pytest.raises(StudyError, match=r"--study NAME, .*progsearch resume fake --studies-dir"):
        create_study(recipe(), tmp_path)


def test_the_resume_line_of_the_default_folder_is_short(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert create_study(recipe(), "studies").resume_line == "progsearch resume fake"


def test_a_missing_study_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(StudyError, match="there are no studies yet"):
        open_study("fake", tmp_path)
    create_study(recipe(), tmp_path)
    with pytest.raises(StudyError, match="did you mean fake?"):
        open_study("fakee", tmp_path)


def test_trial_attributes_can_be_set_while_a_trial_runs(tmp_path):
    folder = create_study(recipe(), tmp_path)
    add_trial(folder)
    folder.keep(0, {"metrics": {"f1": 0.5}})
    folder.study.tell(0, [0.5, 0.1])
    trial = open_study("fake", tmp_path).study.trials[0]
    assert trial.user_attrs == {"key": "k", "metrics": {"f1": 0.5}}
    assert trial.values == [0.5, 0.1]


def test_a_torn_last_line_is_cut_off(tmp_path):
    folder = create_study(recipe(), tmp_path)
    add_trial(folder)
    whole = folder.journal.read_bytes()
    folder.journal.write_bytes(whole + TORN)
    found = open_study("fake", tmp_path)
    assert folder.journal.read_bytes() == whole
    found.keep(0, {"reason": "none"})
    assert open_study("fake", tmp_path).study.trials[0].user_attrs["reason"] == "none"


def test_who_only_reads_leaves_a_torn_line_alone(tmp_path):
    folder = create_study(recipe(), tmp_path)
    add_trial(folder)
    torn = folder.journal.read_bytes() + TORN
    folder.journal.write_bytes(torn)
    assert len(open_study("fake", tmp_path, read_only=True).study.trials) == 1
    assert folder.journal.read_bytes() == torn


def test_a_lock_that_nobody_holds_is_removed(tmp_path):
    folder = create_study(recipe(), tmp_path)
    lock = folder.journal.with_name("journal.log.lock")
    lock.symlink_to(folder.journal)
    found = open_study("fake", tmp_path)
    assert not lock.is_symlink()
    add_trial(found)


def test_a_damaged_journal_is_named(tmp_path):
    folder = create_study(recipe(), tmp_path)
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    folder.journal.write_bytes(lines[0] + b"garbage\n" + b"".join(lines[1:]))
    with pytest.raises(StudyError, match=r"journal.log holds no readable study"):
        open_study("fake", tmp_path)
    folder.journal.unlink()
    with pytest.raises(StudyError, match=r"journal.log holds no readable study"):
        open_study("fake", tmp_path, read_only=True)


def test_a_recipe_with_a_mistake_is_named(tmp_path):
    folder = create_study(recipe(), tmp_path)
    (folder.path / "study.yaml").write_text("task: {name: x}\nbudgets: 3\n")
    with pytest.raises(ConfigError, match=r"study.yaml: budgets: unknown key"):
        open_study("fake", tmp_path)


HOLD = """
import sys
from progsearch.study.folder import open_study
with open_study(sys.argv[1]).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_only_one_process_searches_in_a_study(tmp_path):
    folder = create_study(recipe(), tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"locked\n"
        torn = folder.journal.read_bytes() + TORN
        folder.journal.write_bytes(torn)
        with (
            pytest.raises(StudyError, match="in use by another process"),
            open_study("fake", tmp_path).locked(),
        ):
            pass
        # What looks torn may be a write that is under way.
        assert folder.journal.read_bytes() == torn
    finally:
        holder.kill()
        holder.communicate()
    with open_study("fake", tmp_path).locked():
        pass


def test_a_study_may_live_in_a_database(tmp_path):
    url = f"sqlite:///{tmp_path}/trials.db"
    create_study(recipe(storage=url), tmp_path / "a")
    found = open_study("fake", tmp_path / "a")
    add_trial(found)
    found.keep(0, {"metrics": {"f1": 0.5}})
    found.study.tell(0, [0.5, 0.1])
    assert optuna.load_study(study_name="fake", storage=url).trials[0].values == [0.5, 0.1]
    assert not found.journal.exists()
    with pytest.raises(StudyError, match="the database .* already has a study fake"):
        create_study(recipe(storage=url), tmp_path / "b")
    assert not (tmp_path / "b" / "fake").exists()


def test_a_database_that_cannot_be_opened_is_named_without_its_password(tmp_path):
    url = f"sqlite://someone:secret@/{tmp_path}/nowhere/trials.db"
    with pytest.raises(StudyError, match="cannot be opened") as error:
        create_study(recipe(storage=url), tmp_path)
    assert "secret" not in str(error.value)
    with pytest.raises(StudyError, match="needs a driver"):
        create_study(recipe(storage="mysql+pymysql://host/db"), tmp_path)
    assert study_names(tmp_path) == []


def test_reading_studies_and_spaces_needs_neither_torch_nor_ray():
    code = """
import sys
import progsearch.study.folder, progsearch.space.space, progsearch.study.progress
from progsearch import search
from progsearch.space.space import Space
Space.load("progtuning")
assert callable(search)
print([name for name in ("torch", "ray", "transformers") if name in sys.modules])
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert output.stdout == b"[]\n"
