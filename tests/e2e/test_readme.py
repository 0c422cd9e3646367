"""What README and docs show does what they say, with tiny settings."""

import re

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.support.pages import README, blocks, commands

pytestmark = pytest.mark.slow


def test_the_trainer_example_trains_what_the_file_says(home, progsearch, searched, monkeypatch):
    pytest.importorskip("accelerate", reason="transformers.Trainer needs accelerate")
    monkeypatch.chdir(home)
    command = ("export", "words", "--pick", "last-quarter", "--out", "best.yaml", "--force")
    done = progsearch(*command)
    assert done.returncode == 0, done.stderr
    (example,) = (code for code in blocks(README, "python") if "Trainer" in code)
    names = {}
    exec(compile(example, str(README), "exec"), names)

    trained = dict(names["model"].named_parameters())
    before = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased")
    changed = {
        name
        for name, parameter in before.named_parameters()
        if not torch.equal(parameter.detach(), trained[name].detach().cpu())
    }
    # The last quarter of 3 blocks is the last one.
    assert {name for name in changed if "layer.2." in name}
    assert not {name for name in changed if re.search(r"layer\.[01]\.|embeddings", name)}
    assert len([line for line in example.splitlines() if line.strip()]) <= 20


def test_the_commands_for_own_data_work_in_their_order(home, progsearch):
    tiny = {
        "run": ("--budget", "1", "--epochs", "1", "--space", "quick", "--learning-rate", "1e-2"),
        "confirm": ("--seeds", "2"),
        # A search of one tiny trial need not learn anything.
        "export": ("--anyway", "--force"),
        "train": ("--overwrite",),
    }
    (script,) = (code for code in blocks(README, "sh") if "--train-file" in code)
    for _, name, *options in commands(script):
        done = progsearch(name, *options, *tiny[name])
        assert done.returncode in ((0, 1) if name == "run" else (0,)), done.stderr
    assert (home / "my-model" / "model.safetensors").is_file()
