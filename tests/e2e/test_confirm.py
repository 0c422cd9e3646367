"""Confirming a study with the installed command: stopped, gone on with, and with more seeds."""

import json

import pytest

from progsearch.report.data import study_report
from progsearch.study.confirmed_runs import read_confirmed
from progsearch.study.folder import open_study
from progsearch.training import TrainingRun
from tests.e2e.conftest import stopped_after_one_run

pytestmark = pytest.mark.slow


def test_ctrl_c_then_the_same_command_then_more_seeds(home, progsearch, searched):
    command = ("confirm", "words", "--seeds", "2", "--margin", "0.5")
    code, said = stopped_after_one_run(home, *command)
    assert code == 130, said
    last = said.splitlines()[-1]
    assert last.endswith("continue with `progsearch confirm words --seeds 2 --margin 0.5`")
    folder = open_study("words", home / "studies", read_only=True)
    first = read_confirmed(folder.path).runs
    assert first

    done = progsearch(*command)
    assert done.returncode == 0, done.stderr
    kept = read_confirmed(folder.path)
    n_schedules = len({run.trial for run in kept.runs})
    assert len(kept.runs) == 2 * n_schedules
    assert f"{2 * n_schedules - len(first)} runs to train, {len(first)} are done" in done.stderr
    assert all(run in kept.runs for run in first)
    assert "a loss of 50 pt or more" in done.stdout or "were not tested" in done.stdout

    more = progsearch("confirm", "words", "--seeds", 3, "--json")
    assert more.returncode == 0, more.stderr
    assert f"{n_schedules} runs to train" in more.stderr
    confirmed = json.loads(more.stdout)["confirmed"]
    assert confirmed["seeds"] == [100, 101, 102]
    assert len(confirmed["schedules"]) == n_schedules
    for schedule in confirmed["schedules"]:
        assert schedule["seeds"] == [100, 101, 102]
        assert len(schedule["test"]["values"]) == 3
    report = json.loads((home / "studies/words/report.json").read_text())
    assert report["confirmed"] == confirmed
    # The study itself has no further trials.
    assert len(report["trials"]) == 7


def test_only_what_is_picked_is_trained(home, progsearch, searched):
    # More seeds than the other tests have trained everything on.
    command = ("confirm", "words", "--seeds", "9", "--pick", "head-only", "--pick", "best")
    code, said = stopped_after_one_run(home, *command)
    assert code == 130, said
    again = "`progsearch confirm words --seeds 9 --pick head-only --pick best`"
    assert said.splitlines()[-1].endswith(f"continue with {again}")
    assert progsearch(*command, "--quiet").returncode == 0
    folder = open_study("words", home / "studies", read_only=True)
    best = study_report(folder.study).pick("best").number
    names = {"head-only", "full", "progtuning-3"}
    picked = {t.number for t in folder.trials() if t.name in names}
    trained = {run.trial for run in read_confirmed(folder.path).runs if run.seed == 108}
    assert trained == {*picked, best}


def test_a_confirmed_run_is_the_schedule_trained_with_that_seed(home, progsearch, searched):
    assert progsearch("confirm", "words", "--seeds", 1, "--quiet").returncode == 0
    folder = open_study("words", home / "studies", read_only=True)
    trial = next(t for t in folder.trials() if t.name == "progtuning-3")
    kept = read_confirmed(folder.path).of(trial.number)[100]
    config = trial.run
    training = config.training.model_copy(update={"seed": 100})
    alone = TrainingRun.from_config(config.model_copy(update={"training": training}), test=True)
    for _ in alone.records():
        pass
    assert kept.metrics == alone.result().metrics
    assert kept.test_metrics == alone.result().test_metrics
