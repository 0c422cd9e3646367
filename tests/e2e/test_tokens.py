"""Words with tags, the whole way: search, report, export, train, load."""

import json

import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from progsearch.config import read_yaml
from tests.conftest import REPOSITORY
from tests.e2e.conftest import run_in
from tests.support.tiny import save_tiny

pytestmark = pytest.mark.slow

SENTENCES = (
    (("ada", "love", "came"), ("B-PER", "I-PER", "O")),
    (("london", "came"), ("B-LOC", "O")),
    (("came", "from", "london"), ("O", "O", "B-LOC")),
)
TAGS = ("O", "B-LOC", "B-PER", "I-PER")


@pytest.fixture
def folder(tmp_path):
    """A user's folder with a tiny model and two CoNLL files."""
    save_tiny(tmp_path / "model", ("ada", "love", "came", "from", "london"))
    for name, rows in (("train", 96), ("dev", 30)):
        blocks = [
            "\n".join(f"{word}\t{tag}" for word, tag in zip(*SENTENCES[i % 3], strict=True))
            for i in range(rows)
        ]
        (tmp_path / f"{name}.conll").write_text("-DOCSTART- O\n\n" + "\n\n".join(blocks))
    return tmp_path


def test_a_conll_file_goes_the_whole_way(folder):
    def progsearch(*arguments):
        done = run_in(folder, *arguments, paths=str(REPOSITORY), timeout=500)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ["--train-file", "train.conll", "--validation-file", "dev.conll", "--model", "model"]
    options += ["--space", "quick", "--epochs", "2", "--batch-size", "8", "--front-seeds", "1"]
    progsearch("run", *options, "--learning-rate", "1e-2", "--budget", "2", "--study", "ner")
    report = json.loads(progsearch("report", "ner", "--json"))
    assert report["objectives"] == ["f1", "updated_parameters"]
    assert report["majority"] == 0
    progsearch("export", "ner", "--pick", "full", "--out", "full.yaml")
    shown = progsearch("train", "full.yaml", "--output-dir", "trained")
    metrics = json.loads((folder / "trained/metrics.json").read_text())
    assert metrics["f1"] > 0.5
    (full,) = (trial for trial in report["baselines"] if trial["name"] == "full")
    assert metrics["f1"] == pytest.approx(full["user_attrs"]["metrics"]["f1"], abs=0.05)
    assert {kind: scores["support"] for kind, scores in metrics["per_class"].items()} == {
        **{"LOC": 20, "PER": 10}
    }
    kinds = [line.split()[0] for line in shown.splitlines() if line.startswith(("LOC", "PER"))]
    assert kinds == ["LOC", "PER"]
    card = (folder / "trained/README.md").read_text()
    assert "pipeline_tag: token-classification" in card
    assert "AutoModelForTokenClassification.from_pretrained" in card
    understood = read_yaml(folder / "trained/schedule.yaml")["understood"]
    assert (understood["type"], understood["label"]) == ("tokens", "tags")
    # Plain transformers loads the model and gives the entities of a text.
    model = AutoModelForTokenClassification.from_pretrained(folder / "trained")
    assert model.config.id2label == dict(enumerate(TAGS))
    assert model(input_ids=torch.tensor([[2, 5, 3]])).logits.shape == (1, 3, 4)
    tokenizer = AutoTokenizer.from_pretrained(folder / "trained")
    tagger = pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first"
    )
    assert {found["entity_group"] for found in tagger("came from london")} <= {"LOC", "PER"}
