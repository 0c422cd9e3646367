"""The commands that look at a study, on one that no search had to make."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from progsearch.config import StorageUrl
from progsearch.errors import NothingUsable
from progsearch.schedule import Schedule
from progsearch.schedule.files import read_config
from progsearch.show.searching import watched_search
from progsearch.study.confirmed_runs import write_confirmed
from progsearch.study.folder import command_line, create_study
from progsearch.study.metadata import info_of, keep_sessions, sessions_of
from tests.support.fake_runs import fake_runs
from tests.support.fake_study import FakeStudy


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake = FakeStudy(budget=3)
    fake.baselines()
    fake.searched(3)
    fake.fail("the loss is not a number at step 3")
    fake.stop(0.7, steps_reused=100)
    folder = create_study(fake.recipe, "studies", info_of(fake.study))
    keep_sessions(folder.study, sessions_of(fake.study))
    folder.study.add_trials(fake.study.trials)
    return folder


def test_status(progsearch):
    outcome = progsearch("status", "fake")
    lines = outcome.stdout.splitlines()
    assert lines[0] == "study fake: 7 done, 1 stopped early, 1 failed"
    assert lines[1] == "finished; search on with `progsearch resume fake --budget N`"
    assert lines[2].startswith("3 of 3 whole trials of the budget spent in 15 min")
    assert lines[3] == (
        "reused 100 of 2,530 optimizer steps (4.0 %), saving 1 min 27 s of training and evaluation"
    )
    assert any("progtuning-3" in line for line in lines)
    state = json.loads(progsearch("status", "fake", "--json").stdout)
    assert state["states"]["COMPLETE"] == 7
    assert state["budget"] == 3
    assert state["reuse"]["steps_reused"] == 100
    assert (state["activity"], state["process"]) == ("finished", None)


def test_status_says_what_runs_and_what_died(progsearch, study):
    known = study.trials()[0].frozen.user_attrs
    running = optuna.trial.TrialState.RUNNING
    study.study.add_trial(optuna.trial.create_trial(state=running, user_attrs=known))
    with study.locked():
        lines = progsearch("status", "fake").stdout.splitlines()
        assert lines[1].startswith(f"running, search by process {os.getpid()} on ")
        state = json.loads(progsearch("status", "fake", "--json").stdout)
        assert (state["activity"], state["continue"]) == ("running", None)
        assert state["process"]["process"] == os.getpid()
        left = (study.path / ".lock").read_text()
    study.set_budget(9)
    lines = progsearch("status", "fake").stdout.splitlines()
    assert lines[1] == "not running; continue with `progsearch resume fake`"
    # What a killed process leaves behind.
    (study.path / ".lock").write_text(left)
    lines = progsearch("status", "fake").stdout.splitlines()
    assert lines[0].endswith("1 failed, 1 interrupted")
    assert "died; all results so far are saved" in lines[1]
    assert lines[1].endswith("continue with `progsearch resume fake`")
    (study.path / ".lock").write_text(left.replace(socket.gethostname(), "another-machine"))
    assert "may be running on another machine" in progsearch("status", "fake").stdout

    (study.path / ".lock").write_text(left.replace("search", "confirmation"))
    assert "`progsearch confirm fake --seeds K`" in progsearch("status", "fake").stdout


def test_a_study_is_removed(progsearch, study):
    with study.locked():
        outcome = progsearch("rm", "fake", "--yes")
        assert (outcome.code, str(os.getpid()) in outcome.stderr) == (2, True)
    outcome = progsearch("rm", "fake")
    assert (outcome.code, "add --yes" in outcome.stderr) == (2, True)
    assert "there is no study" in progsearch("rm", "fake", "other", "--yes").stderr
    outcome = progsearch("rm", "fake", study.path, "--yes")
    assert outcome.code == 0
    assert outcome.stdout.splitlines()[-1].startswith("removed fake; ")
    assert not study.path.exists()


def test_a_study_is_removed_from_its_database(progsearch, study, tmp_path):
    url = f"sqlite:///{tmp_path}/trials.db"
    recipe = study.recipe.model_copy(update={"study": "shared", "storage": StorageUrl(url)})
    create_study(recipe, "studies", study.info)
    outcome = progsearch("rm", "shared", "-y")
    assert outcome.code == 0
    assert url in outcome.stdout
    assert optuna.get_all_study_names(url) == []
    create_study(recipe, "studies", study.info)


def test_report_writes_page_and_data(progsearch, study):
    outcome = progsearch("report", "fake")
    assert outcome.stdout == f"report: {study.path}/report.html\n"
    assert (study.path / "report.html").stat().st_size > 100_000
    printed = json.loads(progsearch("report", "fake", "--json").stdout)
    assert printed == json.loads((study.path / "report.json").read_text())
    assert len(printed["trials"]) == 9


def test_a_confirmation_that_is_done_is_shown_again_and_is_in_the_report(progsearch, study):
    assert json.loads(progsearch("report", "fake", "--json").stdout)["confirmed"] is None
    write_confirmed(study.path, fake_runs(study.study, n_seeds=3, first=100))
    outcome = progsearch("confirm", "fake", "--seeds", 2, "--margin", "0.5pt")
    assert outcome.code == 0
    assert "on 2 new seeds (100, 101): 0 runs to train" in outcome.stderr
    lines = outcome.stdout.splitlines()
    assert any(line.split()[:1] == ["progtuning-3"] for line in lines)
    assert "a loss of 0.5 pt or more" in outcome.stdout
    assert lines[-1] == f"report: {study.path}/report.html"
    # All seeds that are there count, and the margin is the one last asked for.
    printed = json.loads(progsearch("report", "fake", "--json").stdout)["confirmed"]
    assert printed["seeds"] == [100, 101, 102]
    assert printed["margin"] == 0.005
    assert "Confirmed on 3 new seeds" in (study.path / "report.html").read_text()
    as_json = progsearch("confirm", "fake", "--seeds", 3, "--margin", "0.005", "--json", "--quiet")
    assert json.loads(as_json.stdout)["confirmed"] == printed
    assert as_json.stderr == ""


def test_a_confirmation_of_picked_schedules(progsearch, study):
    write_confirmed(study.path, fake_runs(study.study, n_seeds=1, first=100))
    outcome = progsearch("confirm", "fake", "--seeds", 1, "--pick", "head-only", "--pick", "full")
    assert outcome.code == 0
    assert "3 schedules on 1 new seed (100): 0 runs to train, 3 are done" in outcome.stderr
    wrong = progsearch("confirm", "fake", "--seeds", 1, "--pick", "full", "--pick", "7")
    assert wrong.code == 2
    assert "the loss is not a number at step 3" in wrong.stderr


def test_report_opens_the_page_only_when_asked(progsearch, study, monkeypatch):
    opened = []
    monkeypatch.setattr("typer.launch", opened.append)
    progsearch("report", "fake")
    assert opened == []
    progsearch("report", "fake", "--open")
    assert opened == [f"{study.path}/report.html"]


def test_export_writes_the_picked_trial(progsearch):
    outcome = progsearch("export", "fake", "--pick", "progtuning-3", "--out", "best.yaml")
    assert outcome.code == 0
    assert outcome.stdout.startswith("best.yaml: #1 progtuning-3 at 1e-4: accuracy 0.8015, ")
    config = read_config("best.yaml")
    assert [stage.trainable_blocks for stage in config.stages] == [
        (0, 1, 2, 3, 4, 5),
        (2, 3, 4, 5),
        (4, 5),
    ]
    again = progsearch("export", "fake", "--out", "best.yaml")
    assert (again.code, again.stdout) == (2, "")
    assert "--force" in again.stderr
    assert progsearch("export", "fake", "--out", "best.yaml", "--force").code == 0
    assert read_config("best.yaml").stages != config.stages


def test_export_of_a_trial_without_result(progsearch):
    outcome = progsearch("export", "fake", "--pick", "7", "--out", "best.yaml")
    assert outcome.code == 2
    assert "the loss is not a number at step 3" in outcome.stderr


def test_ls_studies(progsearch):
    outcome = progsearch("ls", "studies")
    assert outcome.stdout.startswith("fake  3 of 3 whole trials of the budget spent, ")
    none = progsearch("ls", "studies", "--studies-dir", "elsewhere")
    assert (none.stdout, none.stderr) == ("", "there is no study in elsewhere\n")


def test_the_dashboard_serves_the_study(progsearch, study, monkeypatch):
    served = {}

    def run_server(storage, **settings):
        served.update(settings, names=optuna.get_all_study_names(storage))

    monkeypatch.setattr("optuna_dashboard.run_server", run_server)
    assert progsearch("dashboard", "fake", "--port", 0).code == 0
    assert served["names"] == ["fake"]
    assert (served["host"], served["port"]) == ("localhost", 0)
    assert (study.path / "artifacts").is_dir()


def test_the_line_of_another_command_finds_the_study(tmp_path):
    assert command_line("export", "a", tmp_path / "studies") == "progsearch export a"
    elsewhere = tmp_path / "my studies"
    assert command_line("export", "a", elsewhere, "--out", "b.yaml") == (
        f"progsearch export a --out b.yaml --studies-dir '{elsewhere}'"
    )


def test_the_front_in_ascii(study):
    done = subprocess.run(
        [sys.executable, "-c", "from progsearch.cli import main; main()", "status", "fake"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii() and b"progtuning-3" in done.stdout


# -- a study that learned nothing ------------------------------------------------------------


@pytest.fixture
def noise():
    """A study in which no reference beats the constant answer beyond noise."""
    fake = FakeStudy(rows=400)
    for number, name in enumerate(("full", "progtuning-3", "last-quarter", "head-only")):
        fake.complete(Schedule.last_blocks(6, 6 - number), 0.69 + number / 100, name=name)
    recipe = fake.recipe.model_copy(update={"study": "noise"})
    folder = create_study(recipe, "studies", info_of(fake.study))
    folder.study.add_trials(fake.study.trials)
    return folder


def test_a_study_that_learned_nothing_says_so_first(progsearch, noise):
    report = progsearch("report", "noise")
    assert report.code == 0
    sentence, page = report.stdout.splitlines()
    assert sentence.startswith("nothing was learned: no reference beats the constant answer")
    assert page == f"report: {noise.path}/report.html"
    lines = progsearch("status", "noise").stdout.splitlines()
    assert lines[0] == sentence
    assert any(line.split()[:3] == ["constant", "answer", "0.6840"] for line in lines)
    assert (
        json.loads(progsearch("status", "noise", "--json").stdout)["nothing_learned"] == sentence
    )


@pytest.mark.parametrize("pick", ["knee", "full"])
def test_export_of_what_learned_nothing_has_to_be_meant(progsearch, refused, noise, pick):
    arguments = ("export", "noise", "--pick", pick, "--out", "best.yaml")
    assert refused(*arguments).endswith("model; add --anyway to export it all the same\n")
    assert not Path("best.yaml").exists()
    assert progsearch(*arguments, "--anyway").code == 0
    assert read_config("best.yaml").stages


@pytest.mark.parametrize("json_wanted", [False, True])
def test_a_search_that_learned_nothing_ends_with_its_results(noise, capsys, json_wanted):
    with pytest.raises(NothingUsable, match="nothing was learned: no reference beats"):
        watched_search(lambda view: noise, Path("studies"), quiet=True, json=json_wanted)
    printed = capsys.readouterr().out
    assert (noise.path / "report.html").is_file()
    if json_wanted:
        assert json.loads(printed)["nothing_learned"].startswith("nothing was learned")
    else:
        assert "progtuning-3" in printed and "constant answer" in printed
        assert "report: " in printed and "export: " not in printed
        assert "knee" not in printed


def test_ls_shows_the_type_of_each_task_and_the_name_of_several(progsearch):
    lines = progsearch("ls", "tasks").stdout.splitlines()
    types = {line.split()[0]: line.split()[1].rstrip(";") for line in lines}
    assert (types["conll2003"], types["mrpc"]) == ("tokens", "classification")
    names = [line.split()[0] for line in progsearch("ls", "types").stdout.splitlines()]
    assert {"tokens", "sequence", "regression"} <= set(names)


def test_ls_tells_task_metrics_from_contribution_metrics(progsearch):
    tasks = progsearch("ls", "task-metrics").stdout
    assert "accuracy" in tasks and "for classification" in tasks
    # One name may be that of different metrics.
    f1 = [line for line in tasks.splitlines() if line.startswith("f1 ")]
    assert [line.rpartition(" ")[2] for line in f1] == ["span", "tokens", "classification"]
    blocks = progsearch("ls", "contribution-metrics").stdout
    assert "fisher" in blocks and "accuracy" not in blocks
    assert progsearch("ls", "metrics").stdout == blocks
