import sqlite3

import optuna
import pytest

from progsearch.config import StorageUrl, plain, read_yaml, write_yaml
from progsearch.errors import StudyError
from progsearch.study import storage
from progsearch.study.folder import create_study, open_study
from progsearch.study.metadata import recipe_of
from progsearch.study.storage import open_storage, reminder
from tests.support.fakes import recipe
from tests.support.guarded import PASSWORD, PASSWORDS, guarded_url, leaks

VARIABLE = "PROGSEARCH_STORAGE_PASSWORD"


@pytest.fixture(autouse=True)
def _no_password(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("PROGSEARCH_STORAGE", raising=False)


@pytest.fixture(params=["guarded://someone:{}@host/{}", "guarded:///{1}?password={0}"])
def url(request, tmp_path):
    return guarded_url(tmp_path / "trials.db", request.param)


def test_no_file_of_a_study_holds_the_password(tmp_path, url, caplog, capfd):
    folder = create_study(recipe(storage=url), tmp_path / "studies")
    folder.set_budget(9)
    assert recipe_of(folder.study) == folder.recipe
    assert folder.recipe.budget == 9
    assert "***" in read_yaml(folder.path / "study.yaml")["storage"]
    output = capfd.readouterr()
    assert leaks(tmp_path, caplog.text, output.out, output.err) == []


def test_the_environment_opens_it_again(tmp_path, url, monkeypatch):
    create_study(recipe(storage=url), tmp_path / "studies")
    with pytest.raises(StudyError, match=f"its secrets are not kept: set {VARIABLE},") as error:
        open_study("fake", tmp_path / "studies")
    assert "guarded://" in str(error.value)
    monkeypatch.setenv(VARIABLE, "another")
    with pytest.raises(StudyError, match="cannot be opened: wrong password") as error:
        open_study("fake", tmp_path / "studies")
    assert "another" not in str(error.value) and VARIABLE not in str(error.value)
    monkeypatch.setenv(VARIABLE, PASSWORD)
    assert open_study("fake", tmp_path / "studies").recipe.storage == StorageUrl(url)


def test_a_study_of_an_earlier_version_opens_and_is_written_without_its_password(tmp_path, url):
    folder = create_study(recipe(storage=url), tmp_path / "studies")
    old = plain(folder.recipe) | {"storage": url}
    write_yaml(folder.path / "study.yaml", old)
    folder.study.set_user_attr("recipe", old)
    assert leaks(tmp_path / "studies") == [folder.path / "study.yaml"]
    found = open_study("fake", tmp_path / "studies")
    assert "***" in plain(recipe_of(found.study))["storage"]
    found.set_budget(9)
    assert leaks(tmp_path / "studies") == []
    assert found.study.user_attrs["recipe"] == plain(found.recipe)
    assert "***" in plain(found.recipe)["storage"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_driver_cannot_tell_the_password(tmp_path, monkeypatch, password):
    monkeypatch.setenv(VARIABLE, password)

    def refuse(url, **_):
        raise sqlite3.OperationalError(f"no {url} nor {password!r} nor {password}\nand so on")

    monkeypatch.setattr(storage, "RDBStorage", refuse)
    with pytest.raises(StudyError) as error:
        open_storage(StorageUrl("postgresql://u:***@h/db"), tmp_path / "journal.log")
    message = str(error.value).replace('"***"', "'***'")
    assert message == (
        "the database postgresql://u:***@h/db cannot be opened: no postgresql://u:***@h/db nor "
        "'***' nor ***"
    )
    assert error.value.__suppress_context__


def test_an_error_without_words_is_named(tmp_path, monkeypatch):
    def refuse(url, **_):
        raise TimeoutError

    monkeypatch.setattr(storage, "RDBStorage", refuse)
    with pytest.raises(StudyError, match="cannot be opened: TimeoutError"):
        open_storage(StorageUrl("postgresql://h/db"), tmp_path / "journal.log")


def test_a_file_may_have_a_query(tmp_path):
    url = f"sqlite:///{tmp_path}/trials.db?password=open@sesame&timeout=9"
    with pytest.warns(match="ignored"):
        folder = create_study(recipe(storage=url), tmp_path / "studies")
    with pytest.warns(match="ignored"):
        optuna.load_study(study_name="fake", storage=url)
    assert str(folder.recipe.storage).endswith("trials.db?password=***&timeout=9")
    # Without the password, too: SQLite has none.
    assert open_study("fake", tmp_path / "studies").study.trials == []
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert not any(b"sesame" in file.read_bytes() for file in files)


def test_what_later_commands_need_is_told_unless_it_is_there(monkeypatch):
    url = StorageUrl("postgresql://u:sesame@h/db?token=b")
    whole = ", or from the whole URL in PROGSEARCH_STORAGE"
    assert reminder(url).endswith(f"from {VARIABLE} and PROGSEARCH_STORAGE_TOKEN{whole}")
    monkeypatch.setenv(VARIABLE, "sesame")
    assert reminder(url).endswith(f"from PROGSEARCH_STORAGE_TOKEN{whole}")
    assert reminder(StorageUrl("postgresql://u@h/db")) is None
    assert reminder(None) is None
