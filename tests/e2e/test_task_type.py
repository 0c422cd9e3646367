"""A task type of another package, the whole way: search, report, export, train, load."""

import json
import os

import pytest
import torch
from transformers import AutoModelForTokenClassification

from tests.conftest import REPOSITORY
from tests.e2e.conftest import run_in
from tests.support.plugins import write_plugin
from tests.support.tiny import save_tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with the toy type's package, a tiny model and texts without any label."""
    folder = tmp_path_factory.mktemp("toy")
    toy = {"tokens-modulo-3": "tests.e2e.toy_task_type:TokensModulo3"}
    write_plugin(folder / "packages", "progsearch.task_types", toy)
    save_tiny(folder / "model")
    for name, rows in (("train", 240), ("dev", 15)):
        lines = ["text", *(("good", "bad bad")[i % 2] for i in range(rows))]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def progsearch(folder):
    """Runs the installed command with the package on Python's path."""
    paths = os.pathsep.join([str(folder / "packages"), str(REPOSITORY)])

    def run(*arguments):
        done = run_in(folder, *arguments, paths=paths)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_type_in_one_file_goes_the_whole_way(folder, progsearch):
    assert "tokens-modulo-3" in progsearch("ls", "types")
    options = ["--train-file", "train.csv", "--validation-file", "dev.csv", "--space", "quick"]
    options += ["--epochs", "2", "--learning-rate", "5e-3", "--budget", "2", "--study", "toy"]
    progsearch("run", "--type", "tokens-modulo-3", "--model", "model", *options)
    report = json.loads(progsearch("report", "toy", "--json"))
    assert report["objectives"] == ["token_accuracy", "updated_parameters"]
    assert report["majority"] is not None
    assert {trial["state"] for trial in report["trials"]} <= {"COMPLETE", "PRUNED"}
    assert "token accuracy" in (folder / "studies/toy/report.html").read_text()
    progsearch("export", "toy", "--pick", "full", "--out", "full.yaml")
    progsearch("train", "full.yaml", "--output-dir", "trained")
    metrics = json.loads((folder / "trained/metrics.json").read_text())
    (full,) = (trial for trial in report["baselines"] if trial["name"] == "full")
    # What its own run reached: the value is an estimate over seeds, of which some collapse here.
    reached = full["user_attrs"]["metrics"]["token_accuracy"]
    assert metrics["token_accuracy"] == pytest.approx(reached, abs=0.02)
    # Plain transformers loads the model, with an output per token and class.
    model = AutoModelForTokenClassification.from_pretrained(folder / "trained")
    assert model(input_ids=torch.tensor([[2, 5, 5, 3]])).logits.shape == (1, 4, 3)
