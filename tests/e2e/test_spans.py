"""Questions with answers in their texts, the whole way: search, export, train, load."""

import json
import random

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from tests.e2e.conftest import run_in
from tests.support.tiny import save_tiny

pytestmark = pytest.mark.slow

NAMES = ["ann", "bob", "eve"]
WORDS = ["who", "sings", "and", "here", "."]


def squad(n, seed):
    """Texts with one name, which is the answer, in the layout of SQuAD 2.0."""
    draw = random.Random(seed)
    paragraphs = []
    for i in range(n):
        words = draw.choices(["and", "here", "."], k=draw.randint(4, 40))
        name, place = draw.choice(NAMES), draw.randrange(len(words))
        words[place] = name
        context = " ".join(words)
        answer = {"text": name, "answer_start": context.index(name)}
        asked = {"id": str(i), "question": "who sings", "is_impossible": False}
        paragraphs.append({"context": context, "qas": [{**asked, "answers": [answer]}]})
    nobody = {"id": "none", "question": "who sings", "answers": [], "is_impossible": True}
    paragraphs.append({"context": "and here .", "qas": [nobody]})
    return {"version": "v2.0", "data": [{"title": "songs", "paragraphs": paragraphs}]}


def test_from_a_squad_file_to_a_model_that_transformers_loads(tmp_path):
    save_tiny(tmp_path / "model", [*WORDS, *NAMES])
    for name, rows in (("train", 150), ("dev", 30)):
        (tmp_path / f"{name}.json").write_text(json.dumps(squad(rows, name)))

    def progsearch(*arguments):
        done = run_in(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ["--train-file", "train.json", "--validation-file", "dev.json", "--space", "quick"]
    options += ["--max-length", "32", "--doc-stride", "8", "--epochs", "3", "--budget", "1"]
    options += ["--learning-rate", "1e-2", "--batch-size", "8", "--study", "songs"]
    progsearch("run", "--model", "model", *options)
    report = json.loads(progsearch("report", "songs", "--json"))
    assert report["objectives"] == ["f1", "updated_parameters"]
    assert report["majority"] == pytest.approx(1 / 31)
    progsearch("export", "songs", "--pick", "full", "--out", "full.yaml")
    progsearch("train", "full.yaml", "--output-dir", "trained")
    metrics = json.loads((tmp_path / "trained/metrics.json").read_text())
    assert metrics.keys() >= {"f1", "exact_match"}
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "trained")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "trained")
    inputs = tokenizer("who sings", "and ann here", return_tensors="pt")
    with torch.no_grad():
        assert model(**inputs).start_logits.shape == inputs["input_ids"].shape
    assert "AutoModelForQuestionAnswering" in (tmp_path / "trained/README.md").read_text()
