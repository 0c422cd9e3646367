"""What README and docs show does what they say, with tiny settings."""

import re
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.support.markdown import README, ROOT, blocks, commands

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

    assert names["trainer"].model.config.id2label == {0: "0", 1: "1"}
    trained = dict(names["trainer"].model.named_parameters())
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


TINY = 'space="quick", epochs=2, learning_rate=1e-2, parallel=2, budget=1'
SMALLER = {
    'task="bbc-headlines", budget=8': (
        f'train_file="train.csv", validation_file="dev.csv", model="bert-base-uncased", {TINY}'
    ),
    "budget=30": TINY,
    "budget=9": "budget=2",
    ".show()": "",
}


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "python.md"], ids=lambda page: page.stem)
def test_searches_in_python_run(page, home):
    code = "\n".join(code for code in blocks(page, "python") if "Trainer" not in code)
    for shown, tiny in SMALLER.items():
        code = code.replace(shown, tiny)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (home / "best.yaml").is_file()
