"""No command shows or writes the password of a database."""

import json

import optuna_dashboard
import pytest

from progsearch.strategy.warm_start import read_earlier
from progsearch.study.confirmed_runs import write_confirmed
from progsearch.study.folder import create_study
from progsearch.study.metadata import info_of
from tests.support.fake_runs import fake_runs
from tests.support.fake_study import FakeStudy
from tests.support.guarded import PASSWORD, guarded_url, leaks

VARIABLE = "PROGSEARCH_STORAGE_PASSWORD"
COMMANDS = [
    ("status", "fake", "--json"),
    ("status", "fake"),
    ("report", "fake"),
    ("report", "fake", "--json"),
    ("export", "fake", "--out", "best.yaml"),
    ("confirm", "fake", "--seeds", 2),
    ("confirm", "fake", "--seeds", 2, "--json"),
    ("dashboard", "fake", "--port", 0),
    ("ls", "studies"),
    ("validate", "studies/fake/study.yaml"),
    ("resume", "fake", "--budget", 3, "--json"),
    ("resume", "fake"),
]


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("PROGSEARCH_STORAGE", raising=False)
    monkeypatch.setattr(optuna_dashboard, "run_server", lambda storage, **_: None)
    fake = FakeStudy(budget=2)
    fake.baselines()
    fake.searched(3)
    recipe = type(fake.recipe).model_validate(
        fake.recipe.model_dump() | {"storage": guarded_url(tmp_path / "trials.db")}
    )
    folder = create_study(recipe, "studies", info_of(fake.study))
    folder.study.add_trials(fake.study.trials)
    write_confirmed(folder.path, fake_runs(folder.study, n_seeds=3, first=100))
    return folder


def test_no_command_tells_the_password(progsearch, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, PASSWORD)
    for command in COMMANDS:
        outcome = progsearch(*command)
        assert outcome.code == 0, (command, outcome.stderr)
        assert leaks(tmp_path, outcome.stdout, outcome.stderr, caplog.text) == []
    for name in ("study.yaml", "report.json", "report.html"):
        assert (tmp_path / "studies" / "fake" / name).is_file()
    report = json.loads((tmp_path / "studies" / "fake" / "report.json").read_text())
    shown = f"guarded://someone:***@host/{tmp_path}/trials.db"
    assert report["recipe"]["storage"] == shown
    assert f"storage: {shown}\n" in (tmp_path / "studies/fake/study.yaml").read_text()
    assert read_earlier("fake", tmp_path / "studies").study == "fake"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] not in ("ls", "validate")])
def test_without_the_password_each_command_says_what_to_set(progsearch, command):
    outcome = progsearch(*command)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Error: the database guarded://someone:***@host/")
    cure = f"set {VARIABLE}, or PROGSEARCH_STORAGE to the whole URL"
    assert outcome.stderr.endswith(f"its secrets are not kept: {cure}\n")


def test_a_search_that_starts_from_such_a_study_says_it_too(progsearch):
    outcome = progsearch("run", "--task", "bbc-headlines", "--warm-start", "fake")
    assert outcome.code == 2
    assert VARIABLE in outcome.stderr


def test_a_url_whose_password_has_no_clear_end_is_refused_and_not_shown(progsearch, tmp_path):
    url = "postgresql://someone:open@sesame@host/db"
    outcome = progsearch("run", "--task", "bbc-headlines", "--storage", url)
    assert outcome.code == 2
    assert outcome.stderr.startswith("Error: --storage: it is unclear where the password ends")
    assert "sesame" not in outcome.stderr
    (tmp_path / "recipe.yaml").write_text(f"task: {{name: bbc-headlines}}\nstorage: {url}\n")
    outcome = progsearch("validate", "recipe.yaml")
    assert outcome.stderr.startswith("Error: recipe.yaml: storage: it is unclear")
    assert "sesame" not in outcome.stderr


def test_the_whole_url_in_the_environment_gives_the_storage_of_a_new_study(
    progsearch, tmp_path, monkeypatch
):
    monkeypatch.setenv("PROGSEARCH_STORAGE", guarded_url(tmp_path / "trials.db"))
    outcome = progsearch("status", "fake")
    assert outcome.code == 0
    # The database already has a study of this name, the folder does not.
    monkeypatch.chdir(tmp_path / "studies")
    outcome = progsearch("run", "--task", "bbc-headlines", "--study", "fake")
    assert outcome.code == 2
    assert "the database guarded://someone:***@host/" in outcome.stderr
    assert "already has a study fake" in outcome.stderr
    assert leaks(tmp_path, outcome.stderr) == []
