"""`progsearch run --dry-run`: what would be searched."""

import json

import pytest

from tests.support.tiny import save_tiny


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = save_tiny(tmp_path / "model")
    rows = [
        f"{' '.join([('bad', 'good')[n % 4 == 0]] * (1 + n % 7))},{n % 4 == 0}" for n in range(48)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    files = ("--train-file", "rows.csv", "--validation-file", "rows.csv", "--model", model)
    return ("run", *files, "--epochs", 2, "--budget", 3, "--space", "quick", "--dry-run")


def test_all_that_a_search_would_do_is_said_and_nothing_is_saved(progsearch, arguments, tmp_path):
    outcome = progsearch(*arguments, "--learning-rate", 1e-3)
    assert outcome.code == 0
    lines = outcome.stdout.splitlines()
    for part in (
        "rows.csv, text from text, label from label",
        "train (classification): 48 rows",
        "False (36, 75.0 %), True (12, 25.0 %)",
        "lengths: median ",
        "model: ",
        "metric: accuracy; a constant answer has 0.7500",
        "space: quick, 4 dimensions: n_stages, ",
        "references, trained first: ",
        "full at learning rate 1e-3",
        "a budget of 3 whole trials of 2 epochs each",
        "expected time: about ",
        "expected disk: about ",
    ):
        assert any(part in line for line in lines), part
    assert not (tmp_path / "studies").exists()

    data = json.loads(progsearch(*arguments, "--json").stdout)
    assert data["understood"]["splits"]["train"]["rows"] == 48
    assert data["references"]["full"]
    assert data["lengths"]["longest"] >= data["lengths"]["median"] > 0
    expected = data["expected"]
    assert 0 < expected["share"] <= 1 and expected["seconds"] > 0
    assert 0 < expected["bytes"] < expected["most_bytes"]
    assert not (tmp_path / "studies").exists()

    data = json.loads(progsearch(*arguments, "--json", "--reuse-budget", 1e-6).stdout)
    assert data["expected"]["bytes"] == data["expected"]["most_bytes"] == 1073
    assert "expected disk: no reusable work" in progsearch(*arguments, "--no-reuse").stdout


def test_the_study_may_exist(progsearch, arguments, tmp_path):
    (tmp_path / "studies" / "rows-model").mkdir(parents=True)
    outcome = progsearch(*arguments, "--learning-rate", 1e-3)
    assert outcome.code == 0
    last = outcome.stdout.splitlines()[-1]
    assert last == "there is already a study rows-model; to search, give another --study NAME, too"
    real = [argument for argument in arguments if argument != "--dry-run"]
    message = progsearch(*real, "--label-column", "x").refusal()
    assert "has no column" in message and "already" not in message
    assert "give the new search another name" in progsearch(*real).refusal()


def test_it_refuses_what_a_search_refuses(refused, arguments):
    assert "at most the 48 rows" in refused(*arguments, "--batch-size", 64)
    assert "the worst accuracy" in refused(*arguments, "--min-metric", -0.5)
    assert "processors for it here" in refused(*arguments, "--parallel", 4096)


def test_what_several_processes_for_each_trial_change(progsearch, arguments, monkeypatch):
    for place in ("possible", "dry_run"):
        monkeypatch.setattr(f"progsearch.driver.{place}.gpus_here", lambda: 4)
        monkeypatch.setattr(f"progsearch.driver.{place}.allowed_processors", lambda: 16)
    given = (*arguments, "--learning-rate", 1e-3)
    outcome = progsearch(*given, "--gpus-per-trial", 2)
    assert outcome.code == 0
    assert " in each of 2 processes" in outcome.stdout
    assert "with 2 trials at once" in outcome.stdout
    assert "as if the 2 processes of a trial trained as fast as one" in outcome.stdout
    assert "processes of a trial" not in progsearch(*given).stdout
    for option, value, reason in (
        ("--gpus-per-trial", 5, "there are 4 GPUs here, got 5"),
        ("--processes-per-trial", 2, "without GPUs, and there are 4; give --gpus-per-trial 0"),
    ):
        assert reason in progsearch(*given, option, value).refusal()
    assert (
        "more than the 4 GPUs"
        in progsearch(*given, "--gpus-per-trial", 2, "--parallel", 3).refusal()
    )
    message = progsearch(*given, "--gpus-per-trial", 4, "--parallel", 8).refusal()
    assert "16 processors for it here, got 8, each trained by 4 processes" in message


@pytest.mark.usefixtures("without_gpus")
@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--precision", "fp16", "needs a GPU"),
        ("--gpus-per-trial", 1, "there is no GPU here"),
        ("--gpus-per-trial", 2, "there is no GPU here"),
        ("--gpus-per-trial", 1.5, "a whole number of GPUs"),
        ("--processes-per-trial", 0, "greater than or equal to 1"),
        ("--processes-per-trial", 3, "2 processors for 3 processes here"),
        ("--max-gpu-hours", 1, "uses no GPU"),
        ("--max-gpu-hours", "inf", "finite"),
        ("--reuse-budget", "inf", "finite"),
        ("--seeds", 1000, "less than or equal to 20"),
        ("--method", "full,full", "given twice"),
        ("--storage", "sqlite:////no/such/folder/x.db", "cannot be opened"),
        ("--max-updated", 1e-6, "the head alone"),
        ("--max-memory", "1KiB", "the head alone"),
        ("--max-memory", "much", "write it like 16GiB"),
    ],
)
def test_impossible_settings_are_refused_before_any_trial(
    progsearch, arguments, option, value, reason
):
    message = progsearch(*arguments, option, value).refusal()
    assert reason in message
    assert option in message or option in ("--storage", "--method")


@pytest.fixture
def without_gpus(monkeypatch):
    monkeypatch.setattr("progsearch.driver.possible.gpus_here", lambda: 0)
    monkeypatch.setattr("progsearch.driver.possible.allowed_processors", lambda: 2)
