import json
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from progsearch import cli
from tests.cases.making import rows, save_model, save_tokenizer, write_csv


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str
    metrics: dict[str, float] = field(default_factory=dict)

    def refusal(self) -> str:
        """The one sentence of a refusal before any training."""
        assert self.code == 2
        assert "epoch" not in self.stdout
        # Notes and the progress of transformers may come before.
        sentence = self.stderr.splitlines()[-1]
        assert sentence.startswith("Error: ")
        return sentence


@pytest.fixture
def progsearch(capsys, monkeypatch):
    """Runs the command line in this process."""
    # The command line sets it for its process; the other tests keep theirs.
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["progsearch", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        captured = capsys.readouterr()
        code = leaving.value.code or 0
        assert isinstance(code, int)
        return Outcome(code, captured.out, captured.err)

    return run


def begin(folder: Path, *arguments: object, first: str = "", **variables: str):
    """Starts the command line in a process of its own, after the statements ``first``."""
    statements = f"{first}\nfrom progsearch.cli import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", statements, *map(str, arguments)],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def command(tmp_path):
    """Runs the command line in a process of its own."""

    def run(*arguments: object, timeout: float = 300, **settings: str) -> Outcome:
        process = begin(tmp_path, *arguments, **settings)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return Outcome(process.returncode, out, err)

    return run


@pytest.fixture
def train(progsearch, tmp_path):
    """Runs `progsearch train`, which writes into ``tmp_path / "trained"``.

    The outcome has what metrics.json says. Other arguments are those of the task and the training.
    """

    def run(model, train_file, validation_file=None, *, blocks=(0, 1), embeddings=True, **more):
        training = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "precision": "fp32"}
        training |= {name: more.pop(name) for name in tuple(more) if name in training}
        files = {"train_file": train_file, "validation_file": validation_file or train_file}
        stage = {"start": 0, "end": 1, "trainable_blocks": blocks, "embeddings": embeddings}
        config = {
            "progsearch_version": "0.1.0",
            "model": str(model),
            "task": {"name": "own", **files, **more},
            "training": training,
            "stages": [stage],
        }
        # JSON is YAML.
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        folder = tmp_path / "trained"
        shutil.rmtree(folder, ignore_errors=True)
        outcome = progsearch("train", tmp_path / "config.yaml", "--output-dir", folder)
        file = folder / "metrics.json"
        return replace(outcome, metrics=json.loads(file.read_text()) if file.exists() else {})

    return run


@pytest.fixture(scope="session")
def bert(tmp_path_factory) -> Path:
    """A tiny BERT with its tokenizer; tests change copies of it."""
    return save_tokenizer(save_model(tmp_path_factory.mktemp("bert") / "model"))


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> tuple[str, str]:
    """Training and validation data that a tiny model learns in three epochs."""
    folder = tmp_path_factory.mktemp("data")
    return (
        write_csv(folder / "train.csv", "text,label", rows(64)),
        write_csv(folder / "dev.csv", "text,label", rows(32, seed=1)),
    )


@pytest.fixture
def copy_of(tmp_path):
    """Copies the folder of a model."""

    def copy(model, name="model"):
        folder = tmp_path / name
        shutil.copytree(model, folder)
        return folder

    return copy
