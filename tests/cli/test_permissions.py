"""What the file system forbids this user is refused in one sentence, before any work.

The other tests of paths fake the errors of the system, because root may read and write anything.
Here the commands run in a process without that right.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from progsearch.config import Recipe, TaskConfig, write_yaml
from progsearch.study.folder import create_study
from tests.support.tiny import save_tiny

# Runs several commands in one process, which imports torch once.
SCRIPT = """
import contextlib, io, json, sys
from progsearch import cli

outcomes = []
for arguments in json.load(sys.stdin):
    sys.argv = ["progsearch", *arguments]
    said, code = io.StringIO(), 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code
    outcomes.append([code, said.getvalue()])
json.dump(outcomes, sys.stdout)
"""
TRAIN = ("train", "best.yaml", "--output-dir")
# The beginning of the sentence, by what is asked for.
CASES = {
    (*TRAIN, "read-only"): "--output-dir: read-only cannot be written: ",
    (*TRAIN, "read-only/new"): "--output-dir: read-only/new cannot be written: ",
    (*TRAIN, "unlisted", "--overwrite"): "--output-dir: unlisted cannot be written: ",
    (*TRAIN, "closed"): "--output-dir: closed cannot be written: ",
    ("cp", "quick", "read-only/a.yaml"): "FILE: read-only/a.yaml cannot be written: ",
    ("cp", "quick", "closed.yaml", "--force"): "FILE: closed.yaml cannot be written: ",
    ("run", "--task", "bbc-headlines", "--studies-dir", "read-only"): (
        "--studies-dir: read-only cannot be written: "
    ),
    ("report", "mine"): "study mine: {here}/studies/mine cannot be written: ",
    ("resume", "mine"): "study mine: {here}/studies/mine cannot be written: ",
    ("validate", "closed.yaml"): "closed.yaml: cannot be read (",
    ("status", "theirs"): "studies/theirs cannot be read (",
    ("status", "locked"): "{here}/studies/locked/journal.log cannot be read (",
    ("report", "mine", "--studies-dir", "closed"): "closed cannot be read (",
    ("train", "closed-model.yaml", "--output-dir", "out"): (
        "closed-model/model.safetensors cannot be read ("
    ),
    ("train", "closed-data.yaml", "--output-dir", "out"): "closed.csv cannot be read (",
    ("run", "--model", "./closed-model", "--train-file", "train.csv"): (
        "{here}/closed-model/model.safetensors cannot be read ("
    ),
    ("run", "--model", "./model", "--train-file", "closed.csv"): (
        "{here}/closed.csv cannot be read ("
    ),
    ("resume", "stopped"): "{here}/closed.csv cannot be read (",
}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with files and folders that a user may not read or write."""
    folder = tmp_path_factory.mktemp("here")
    save_tiny(folder / "model")
    shutil.copytree(folder / "model", folder / "closed-model")
    rows = ["text,label", *(f"good,{i % 2}" for i in range(8))]
    for name in ("train.csv", "closed.csv"):
        (folder / name).write_text("\n".join(rows) + "\n")
    config = {
        "progsearch_version": "0.1.0",
        "model": "model",
        "task": {"name": "own", "train_file": "train.csv"},
        "stages": [{"start": 0, "end": 1, "trainable_blocks": [2], "embeddings": False}],
    }
    for name in ("best", "closed"):
        write_yaml(folder / f"{name}.yaml", config)
    write_yaml(folder / "closed-model.yaml", {**config, "model": "closed-model"})
    closed = {"name": "own", "train_file": "closed.csv"}
    write_yaml(folder / "closed-data.yaml", {**config, "task": closed})
    task = TaskConfig(name="own", train_file=str(folder / "closed.csv"))
    for name in ("mine", "theirs", "locked", "stopped"):
        recipe = Recipe(model=str(folder / "model"), task=task, study=name)
        create_study(recipe, folder / "studies")
    for name in ("read-only", "unlisted", "closed"):
        (folder / name).mkdir()
    modes = {
        **dict.fromkeys(("read-only", "studies/mine"), 0o555),
        "unlisted": 0o333,
        **dict.fromkeys(("closed", "studies/theirs", "closed.csv", "closed.yaml"), 0),
        **dict.fromkeys(("closed-model/model.safetensors", "studies/locked/journal.log"), 0),
    }
    before = {name: (folder / name).stat().st_mode for name in modes}
    for name, mode in modes.items():
        (folder / name).chmod(mode)
    yield folder
    for name, mode in before.items():
        (folder / name).chmod(mode)


@pytest.fixture(scope="module")
def outcomes(here):
    """The exit code and all output of each case."""
    command = [sys.executable, "-c", SCRIPT]
    if os.geteuid() == 0:
        rights = "-dac_override,-dac_read_search"
        limited = ["setpriv", "--bounding-set", rights, "--inh-caps=-all", "--"]
        if (
            shutil.which("setpriv") is None
            or subprocess.run([*limited, "true"], check=False).returncode
        ):
            pytest.skip(
                "root cannot drop its rights here: setpriv (util-linux) is absent or fails"
            )
        command = [*limited, *command]
    done = subprocess.run(
        command,
        cwd=here,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])},
        input=json.dumps(list(CASES)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("arguments", CASES, ids=" ".join)
def test_it_is_refused_in_one_sentence(here, outcomes, arguments):
    code, said = outcomes[arguments]
    assert said.startswith(f"Error: {CASES[arguments].format(here=here)}Permission denied"), said
    assert (code, said.count("\n")) == (2, 1)


@pytest.mark.usefixtures("outcomes")
def test_nothing_was_begun(here):
    assert not (here / "out").exists()
    assert not any((here / "unlisted").iterdir())
    assert sorted(path.name for path in (here / "studies").iterdir()) == [
        "locked",
        "mine",
        "stopped",
        "theirs",
    ]
