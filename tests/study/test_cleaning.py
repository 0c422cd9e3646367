"""Passwords that earlier versions left in studies are removed."""

import json
from html import escape
from urllib.parse import quote

import pytest

from progsearch.config import StorageUrl, plain, read_yaml, write_yaml
from progsearch.study.cleaning import clean
from progsearch.study.folder import create_study, open_study
from tests.support.fakes import recipe
from tests.support.guarded import PASSWORD, guarded_url, leaks

VARIABLE = "PROGSEARCH_STORAGE_PASSWORD"


@pytest.fixture(params=["guarded://someone:{}@host/{}", "guarded:///{1}?password={0}"])
def old(request, tmp_path, monkeypatch):
    """A study as version 0.1 left it, opened."""
    monkeypatch.delenv(VARIABLE, raising=False)
    url = guarded_url(tmp_path / "trials.db", request.param)
    folder = create_study(recipe(storage=url), tmp_path / "studies")
    data = plain(folder.recipe) | {"storage": url}
    write_yaml(folder.path / "study.yaml", data)
    folder.study.set_user_attr("recipe", data)
    study_id = folder.storage.get_study_id_from_name("fake")
    folder.storage.set_study_system_attr(study_id, "note", f"of {url}")
    plainly = request.param.format(PASSWORD, tmp_path / "trials.db")
    (folder.path / "report.json").write_text(json.dumps({"recipe": data, "as typed": plainly}))
    (folder.path / "report.html").write_text(f"<p>{escape(url)}</p>")
    (folder.path / "progsearch.log").write_text(f"connecting to {url}\nand to {plainly}\n")
    (folder.ray / "session-1").mkdir(parents=True)
    (folder.ray / "session-1" / "params.json").write_text(json.dumps(data))
    (folder.ray / "session-1" / "tuner.pkl").write_bytes(b"\x80\0" + url.encode())
    (folder.path / "weights.bin").write_bytes(b"\0\xff")
    assert len(leaks(folder.path)) == 6
    return open_study("fake", tmp_path / "studies")


def test_nothing_holds_it_any_more(old, tmp_path):
    clean(old)
    assert leaks(tmp_path) == []
    assert read_yaml(old.path / "study.yaml") == plain(old.recipe)
    assert old.study.user_attrs["recipe"] == plain(old.recipe)
    assert json.loads((old.path / "report.json").read_text())["recipe"] == plain(old.recipe)
    assert "***" in old.log.read_text()
    assert (old.path / "weights.bin").read_bytes() == b"\0\xff"


def test_a_report_is_cleaned_though_the_recipe_is_clean(old, tmp_path, monkeypatch):
    write_yaml(old.path / "study.yaml", plain(old.recipe))
    old.study.set_user_attr("recipe", plain(old.recipe))
    monkeypatch.setenv(VARIABLE, PASSWORD)
    clean(open_study("fake", tmp_path / "studies"))
    assert leaks(old.path) == []


def test_words_that_are_equal_to_a_password_stay():
    url = StorageUrl("postgresql://u:***@h/train")
    text = f"train: 1\npostgresql://u:train@h/train {quote('x:train@')}"
    assert url.hide_in_urls(text, {VARIABLE: "train"}) == text.replace(":train@", ":***@")
