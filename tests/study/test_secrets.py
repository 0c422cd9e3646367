"""Where the secrets of a database's URL come from."""

import io
import sys

import pytest

from progsearch.config import StorageUrl
from progsearch.errors import ConfigError, StudyError
from progsearch.study import secrets
from progsearch.study.folder import create_study, open_study
from progsearch.study.storage import reminder
from tests.support.fakes import recipe
from tests.support.guarded import PASSWORD, guarded_url, leaks

KEPT = StorageUrl("postgresql://u:***@h/db?token=***&x=1")


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(secrets, "_typed", {})
    for name in ("", "_PASSWORD", "_TOKEN"):
        monkeypatch.delenv(f"PROGSEARCH_STORAGE{name}", raising=False)


@pytest.fixture
def typed(monkeypatch):
    """Answers at a terminal; gives the questions."""
    asked: list[str] = []

    def begin(*answers):
        rest = list(answers)
        terminal = io.StringIO()
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", terminal)

        def answer(text):
            asked.append(text)
            return rest.pop(0)

        monkeypatch.setattr(secrets, "getpass", answer)
        return asked

    return begin


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("postgresql://u:a%40b@h/db?token=c&x=1", {"PASSWORD": "a@b", "TOKEN": "c"}),
        ("postgresql://u:a@other/db?token=c&x=1", {}),
        ("postgresql://other:a@h/db?token=c&x=1", {}),
    ],
)
def test_the_whole_url_gives_the_secrets_of_its_own_database(monkeypatch, text, given):
    monkeypatch.setenv("PROGSEARCH_STORAGE", text)
    found = secrets.secrets_of(KEPT)
    names = {f"PROGSEARCH_STORAGE_{name}": value for name, value in given.items()}
    assert {name: found[name] for name in KEPT.variables if name in found} == names
    assert (reminder(KEPT) is None) == bool(given)


@pytest.mark.parametrize(
    ("kept", "whole"),
    [
        ("postgresql://u@h/db", "postgresql://u:a@h/db"),
        ("postgresql:///db", "postgresql://:a@/db"),
        ("mysql://h/db?passwd=***", "mysql://h/db?passwd=a"),
    ],
)
def test_a_url_that_was_given_without_its_password_is_found_too(monkeypatch, kept, whole):
    monkeypatch.setenv("PROGSEARCH_STORAGE", whole)
    assert secrets.secrets_of(StorageUrl(kept))["PROGSEARCH_STORAGE_PASSWORD"] == "a"


def test_a_variable_that_is_no_url_is_named_and_not_shown(monkeypatch):
    monkeypatch.setenv("PROGSEARCH_STORAGE", "u:sesame@h/db")
    with pytest.raises(ConfigError, match="^PROGSEARCH_STORAGE: is not a database's URL") as error:
        secrets.secrets_of(KEPT)
    assert "sesame" not in str(error.value)


def test_at_a_terminal_it_is_asked_for_once(tmp_path, typed):
    create_study(recipe(storage=guarded_url(tmp_path / "trials.db")), tmp_path / "studies")
    asked = typed(PASSWORD)
    for _ in range(2):
        open_study("fake", tmp_path / "studies")
    assert asked == [f"password for guarded://someone:***@host/{tmp_path}/trials.db: "]
    assert leaks(tmp_path) == []


def test_a_wrong_answer_is_not_kept(tmp_path, typed):
    create_study(recipe(storage=guarded_url(tmp_path / "trials.db")), tmp_path / "studies")
    typed("wrong1", PASSWORD)
    with pytest.raises(StudyError, match="cannot be opened: wrong password") as error:
        open_study("fake", tmp_path / "studies")
    assert "wrong1" not in str(error.value)
    open_study("fake", tmp_path / "studies")


def test_without_a_terminal_nobody_is_asked(tmp_path, monkeypatch):
    create_study(recipe(storage=guarded_url(tmp_path / "trials.db")), tmp_path / "studies")
    monkeypatch.setattr(secrets, "getpass", lambda text: pytest.fail("asked"))
    for stdin in (None, io.StringIO()):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(StudyError, match="or PROGSEARCH_STORAGE to the whole URL$"):
            open_study("fake", tmp_path / "studies")


def test_the_folder_of_a_study_in_a_database_is_private(tmp_path):
    def mode(name, **changes):
        folder = create_study(recipe(study=name, **changes), tmp_path / "studies")
        return folder.path.stat().st_mode & 0o777

    assert mode("one", storage=guarded_url(tmp_path / "trials.db")) == 0o700
    assert mode("two") != 0o700
