import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tiny import save_tiny

COMMAND = str(Path(sys.executable).with_name("progsearch"))
SETTINGS = """\
study: words
model: bert-base-uncased
task: {name: words, train_file: train.csv, validation_file: dev.csv, test_file: dev.csv}
space: quick
training: {epochs: 2, batch_size: 8, learning_rate: 1e-2}
parallel: 2
budget: 2
# What the default stops depends on how long trials take, which here is chance.
scheduler: none
# Which places are repeated depends on what the others reached.
front_seeds: 1
"""


def run_in(
    folder: Path, *arguments: object, paths: str | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder, with ``paths`` on Python's path."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=folder,
        env=None if paths is None else os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: a tiny model under the README's name, data that it can learn, a recipe."""
    folder = tmp_path_factory.mktemp("home")
    save_tiny(folder / "bert-base-uncased")
    draw = random.Random(0)
    for name, rows in (("train", 64), ("dev", 32)):
        lines = ["text,label"]
        for _ in range(rows):
            label = draw.randrange(2)
            lines.append(f"{' '.join([('bad', 'good')[label]] * draw.randint(2, 5))},{label}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "words.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="session")
def progsearch(home: Path):
    """Runs the installed command in the user's folder."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return run_in(home, *arguments)

    return run


@pytest.fixture(scope="session")
def searched(home, progsearch):
    """What the search of the recipe printed."""
    return progsearch("run", "words.yaml")


def stopped_after_one_run(
    home: Path, *arguments: str, kind: signal.Signals = signal.SIGINT, group: bool = False
) -> tuple[int, str]:
    """A signal once a run is done; returns the exit code and what was said on stderr.

    Args:
        home: The user's folder.
        arguments: The command.
        kind: The signal, by default that of Ctrl-C.
        group: Whether the whole process group gets it, as from a terminal.
    """
    running = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        lines = []
        for line in running.stderr:
            lines.append(line)
            if line.startswith("1 of "):
                break
        (os.killpg if group else os.kill)(running.pid, kind)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert out == ""
    return running.returncode, "".join(lines) + err
