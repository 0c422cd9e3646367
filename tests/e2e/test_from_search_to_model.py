"""The main job with the installed command: search, look, export, train, load."""

import csv
import json

import optuna
import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from progsearch.study.folder import open_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(home, progsearch, searched):
    """The file that the search's own line writes."""
    line = next(row for row in searched.stdout.splitlines() if row.startswith("export: "))
    assert line == "export: progsearch export words --out best.yaml"
    done = progsearch(*line.split()[2:])
    assert done.returncode == 0, done.stderr
    return home / "best.yaml"


def test_a_search_ends_with_front_report_and_export_line(home, searched):
    assert searched.returncode == 0, searched.stderr
    lines = searched.stdout.splitlines()
    assert any("accuracy" in line and "updated" in line for line in lines)
    assert f"report: {home}/studies/words/report.html" in lines
    finished = [line for line in searched.stderr.splitlines() if " of 2  " in line]
    assert len(finished) == 7
    assert "5 references, then a budget of 2 whole trials" in searched.stderr
    (told,) = [line for line in searched.stderr.splitlines() if line.startswith("train (")]
    assert told.startswith("train (classification): 64 rows; 0 (")
    study = home / "studies" / "words"
    for name in ("study.yaml", "journal.log", "report.html", "report.json", "progsearch.log"):
        assert (study / name).is_file(), name


def test_the_report_as_data(home, progsearch, searched):
    done = progsearch("report", "words", "--json")
    data = json.loads(done.stdout)
    assert data == json.loads((home / "studies/words/report.json").read_text())
    assert data["objectives"] == ["accuracy", "updated_parameters"]
    baselines = {"full", "progtuning-3", "progtuning-2", "last-quarter", "head-only"}
    assert {trial["name"] for trial in data["baselines"]} == baselines
    assert len(data["trials"]) == 7
    assert {trial["state"] for trial in data["trials"]} == {"COMPLETE"}
    best = max(trial["values"][0] for trial in data["trials"])
    assert data["front"][0]["values"][0] == best > data["majority"]


def test_status_only_reads(home, progsearch, searched):
    files = {p: p.stat().st_mtime_ns for p in (home / "studies").rglob("*") if p.is_file()}
    done = progsearch("status", "words", "--json")
    state = json.loads(done.stdout)
    assert state["states"]["COMPLETE"] == 7
    assert (state["budget"], state["spent"]) == (2, 2)
    assert {p: p.stat().st_mtime_ns for p in files} == files
    assert "7 done" in progsearch("status", "words").stdout
    # Other tests leave studies of their own in this home.
    (line,) = (
        line
        for line in progsearch("ls", "studies").stdout.splitlines()
        if line.split()[0] == "words"
    )
    assert line.split(maxsplit=1)[1].startswith("2 of 2 whole trials of the budget spent")


def test_the_dashboards_figure_is_in_the_study(home, searched):
    folder = open_study("words", home / "studies", read_only=True)
    assert folder.study.metric_names == ["accuracy", "updated_parameters"]
    study_id = folder.storage.get_study_id_from_name("words")
    assert "dashboard:plot_data:front:0" in folder.storage.get_study_system_attrs(study_id)


def test_a_trained_model_loads_and_reaches_what_was_printed(home, progsearch, exported):
    done = progsearch("train", exported, "--output-dir", "my-model", "--json")
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    printed = output["metrics"]
    # The search has trained it, so nothing is trained again.
    assert output["steps"] == {"trained": 0, "reused": 16}
    folder = home / "my-model"
    written = json.loads((folder / "metrics.json").read_text())
    assert written == printed | {"per_class": output["per_class"]}

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with (home / "dev.csv").open() as file:
        rows = list(csv.DictReader(file))
    batch = tokenizer([row["text"] for row in rows], padding=True, return_tensors="pt")
    with torch.no_grad():
        found = model(**batch).logits.argmax(dim=1).tolist()
    right = [model.config.id2label[i] == row["label"] for i, row in zip(found, rows, strict=True)]
    accuracy = sum(right) / len(rows)
    assert accuracy == pytest.approx(printed["accuracy"], abs=1e-9)
    assert accuracy == pytest.approx(printed["test_accuracy"], abs=1e-9)
    assert progsearch("validate", folder / "schedule.yaml").returncode == 0

    card = (folder / "README.md").read_text()
    assert "| in the search | updated parameters | learning rate | accuracy | seeds |" in card
    assert str(home) not in card
    results = yaml.safe_load((home / "best.yaml").read_text())["results"]
    if results.get("reference"):
        assert "| full fine-tuning, its learning rate tuned as well | 100 % |" in card


def test_a_taken_name_and_more_budget(home, progsearch, searched):
    again = progsearch("run", "words.yaml")
    assert again.returncode == 2
    assert "`progsearch resume words`" in again.stderr
    more = progsearch("resume", "words", "--budget", 3, "--quiet")
    assert (more.returncode, more.stderr) == (0, "")
    study = open_study("words", home / "studies", read_only=True).study
    assert [t.state for t in study.trials] == [optuna.trial.TrialState.COMPLETE] * 8
