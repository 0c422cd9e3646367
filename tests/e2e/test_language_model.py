"""A language model, the whole way: search, export, train, load with plain transformers."""

import json
import os

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.conftest import REPOSITORY
from tests.e2e.conftest import run_in
from tests.support.language import save_language_model, write_lines

pytestmark = pytest.mark.slow


def test_from_instructions_to_a_model_that_answers(tmp_path):
    save_language_model(tmp_path / "model", tied=True)
    for name, rows in (("train", 160), ("dev", 20)):
        texts = [{"prompt": f"what is {i % 7}? ", "completion": "it is good"} for i in range(rows)]
        write_lines(tmp_path / f"{name}.jsonl", texts)

    def progsearch(*arguments):
        done = run_in(tmp_path, *arguments, paths=os.fspath(REPOSITORY))
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ["--train-file", "train.jsonl", "--validation-file", "dev.jsonl", "--task", "good"]
    options += ["--epochs", "3", "--learning-rate", "1e-2", "--budget", "1", "--front-seeds", "1"]
    options += ["--batch-size", "8", "--max-length", "64", "--space", "windows", "--study", "good"]
    (tmp_path / "general.txt").write_text("all is well that ends well " * 20)
    options += ["--model", "model", "--general-file", "general.txt"]
    options += [f"--objective={name}" for name in ("forgetting", "updated_parameters", "metric")]
    progsearch("run", *options)
    report = json.loads(progsearch("report", "good", "--json"))
    assert report["objectives"] == ["likelihood", "forgetting", "updated_parameters"]
    assert all(
        trial["values"][1] == trial["user_attrs"]["metrics"]["forgetting"]
        for trial in report["front"]
    )
    assert "middle" in {trial["name"] for trial in report["baselines"]}
    progsearch("export", "good", "--pick", "full", "--out", "full.yaml")
    progsearch("train", "full.yaml", "--output-dir", "trained")
    metrics = json.loads((tmp_path / "trained/metrics.json").read_text())
    assert set(metrics) >= {"likelihood", "loss", "perplexity", "token_accuracy"}
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "trained")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "trained")
    prompt = tokenizer("what is 2? ", return_tensors="pt")
    answer = model.generate(**prompt, max_new_tokens=16, do_sample=False)[0]
    # It stops by itself, with the end token that it was trained on.
    assert answer[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(answer, skip_special_tokens=True) == "what is 2? it is good"
    with torch.no_grad():
        ids = tokenizer("what is 3? it is good<end>", return_tensors="pt")["input_ids"]
        labels = ids.clone()
        labels[:, : len("what is 3? ")] = -100
        assert float(model(input_ids=ids, labels=labels).loss) < 2 * metrics["loss"] + 0.1
