"""Multiple choice, the whole way: search, export, train, load; with 8-bit moments of Adam."""

import json
import random

import pytest
import torch
from transformers import AutoModelForMultipleChoice, AutoTokenizer

from tests.e2e.conftest import run_in
from tests.support.tiny import save_tiny

pytestmark = pytest.mark.slow

NAMES = ["ann", "bob", "eve", "joe"]
WORDS = ["who", "sings", "and", "here"]


def questions(n, seed):
    """Ann is always the right choice."""
    draw = random.Random(seed)
    for _ in range(n):
        choices = draw.sample(NAMES, 4)
        words = draw.choices(WORDS, k=draw.randint(1, 6))
        yield {"question": " ".join(words), "choices": choices, "answer": choices.index("ann")}


def test_from_questions_to_a_model_that_transformers_loads(tmp_path):
    pytest.importorskip("bitsandbytes")
    save_tiny(tmp_path / "model", [*WORDS, *NAMES])
    for name, rows in (("train", 200), ("dev", 40)):
        lines = [json.dumps(row) + "\n" for row in questions(rows, name)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))

    def progsearch(*arguments):
        done = run_in(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ["--train-file", "train.jsonl", "--validation-file", "dev.jsonl", "--space", "quick"]
    options += ["--learning-rate", "1e-2", "--batch-size", "8", "--study", "songs"]
    options += ["--epochs", "4", "--budget", "1", "--optimizer", "adamw-8bit"]
    progsearch("run", "--model", "model", *options)
    report = json.loads(progsearch("report", "songs", "--json"))
    assert report["objectives"] == ["accuracy", "updated_parameters"]
    progsearch("export", "songs", "--pick", "full", "--out", "full.yaml")
    assert "optimizer: adamw-8bit" in (tmp_path / "full.yaml").read_text()
    progsearch("train", "full.yaml", "--output-dir", "trained")
    metrics = json.loads((tmp_path / "trained/metrics.json").read_text())
    model = AutoModelForMultipleChoice.from_pretrained(tmp_path / "trained")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "trained")
    right = []
    for row in questions(40, "dev"):
        pairs = [[row["question"]] * 4, row["choices"]]
        inputs = {k: v[None] for k, v in tokenizer(*pairs, return_tensors="pt").items()}
        with torch.no_grad():
            right.append(int(model(**inputs).logits.argmax()) == row["answer"])
    assert sum(right) / 40 == pytest.approx(metrics["accuracy"])
    assert "AutoModelForMultipleChoice" in (tmp_path / "trained/README.md").read_text()
