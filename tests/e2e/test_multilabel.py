"""Texts with several labels, the whole way: search, report, export, train, load."""

import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.conftest import REPOSITORY
from tests.e2e.conftest import run_in
from tests.support.tiny import save_tiny

pytestmark = pytest.mark.slow

LABELS = ("good", "bad", "harsh")


@pytest.fixture
def folder(tmp_path):
    """A user's folder with a tiny model and texts whose labels are in three columns."""
    save_tiny(tmp_path / "model")
    for name, rows in (("train", 96), ("dev", 32)):
        lines = ["text,good,bad,harsh"]
        for i in range(rows):
            word, flags = (("good", "1,0,0"), ("bad", "0,1,1"))[i % 2]
            lines.append(f"{' '.join([word] * (2 + i % 4))},{flags}")
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_several_label_columns_go_the_whole_way(folder):
    def progsearch(*arguments):
        done = run_in(folder, *arguments, paths=str(REPOSITORY), timeout=500)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ["--train-file", "train.csv", "--validation-file", "dev.csv", "--space", "quick"]
    options += ["--label-column", "good,bad,harsh", "--model", "model", "--study", "labels"]
    options += [
        "--epochs",
        "2",
        "--batch-size",
        "8",
        "--learning-rate",
        "1e-2",
        "--budget",
        "2",
        "--front-seeds",
        "1",
    ]
    progsearch("run", *options)
    report = json.loads(progsearch("report", "labels", "--json"))
    assert report["objectives"] == ["f1_micro", "updated_parameters"]
    assert 0 < report["majority"] < 1
    progsearch("export", "labels", "--pick", "full", "--out", "full.yaml")
    shown = progsearch("train", "full.yaml", "--output-dir", "trained")
    metrics = json.loads((folder / "trained/metrics.json").read_text())
    (full,) = (trial for trial in report["baselines"] if trial["name"] == "full")
    reached = full["user_attrs"]["metrics"]["f1_micro"]
    assert metrics["f1_micro"] == pytest.approx(reached, abs=0.02)
    # The table of the labels, in the file and on the terminal.
    assert tuple(metrics["per_class"]) == LABELS
    table = [line for line in shown.splitlines() if line.startswith(LABELS)]
    assert [line.split()[0] for line in table] == list(LABELS)
    supports = [scores["support"] for scores in metrics["per_class"].values()]
    assert [int(line.split()[-1]) for line in table] == supports
    assert "| harsh | " in (folder / "trained/README.md").read_text()
    model = AutoModelForSequenceClassification.from_pretrained(folder / "trained")
    assert model.config.problem_type == "multi_label_classification"
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model(input_ids=torch.tensor([[2, 5, 3]])).logits.shape == (1, 3)
