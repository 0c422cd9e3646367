"""PostgreSQL that restarts and stops during a search, and its password."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from progsearch.config import plain, write_yaml
from progsearch.study.folder import open_study
from tests.support.guarded import leaks
from tests.support.postgres import PASSWORD, server_in
from tests.support.tiny_task import tiny_recipe

PROGSEARCH = [sys.executable, "-c", "from progsearch.cli import main; main()"]
VARIABLE = "PROGSEARCH_STORAGE"


@pytest.fixture
def server():
    # Not in pytest's folder, which only its user may enter.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        found = server_in(Path(folder))
        found.start()
        yield found
        found.stop()


def whole_line(process):
    return Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()


@pytest.mark.slow
def test_a_database_may_restart_and_nothing_keeps_its_password(server, tmp_path):
    """Five restarts and a stop of a minute; files, the database and Ray's logs are searched."""
    recipe = tiny_recipe(tmp_path / "tiny", rows=8_000, budget=6)
    write_yaml(tmp_path / "recipe.yaml", plain(recipe))
    # Ray's own files, the cache and what libraries keep at home.
    folders = {"TMPDIR": "t", "RAY_TMPDIR": "t", "PROGSEARCH_CACHE": "cache", "HOME": "home"}
    for name in folders.values():
        (tmp_path / name).mkdir(exist_ok=True)
    environment = os.environ | {name: str(tmp_path / f) for name, f in folders.items()}
    environment.pop(VARIABLE, None)
    line = [*PROGSEARCH, "run", "recipe.yaml", "--storage", server.url, "--storage-timeout", "2m"]
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            line, cwd=tmp_path, env=environment, stdout=output, stderr=output
        )
    study = tmp_path / "studies" / "tiny"
    try:
        deadline = time.monotonic() + 300
        while not (study / "ray").exists():
            assert process.poll() is None and time.monotonic() < deadline, output_of(tmp_path)
            time.sleep(0.1)
        assert "postgresql" in whole_line(process) and "op%3A" not in whole_line(process)
        for pause in (0, 0, 0, 0, 0, 60):
            server.stop()
            time.sleep(pause)
            server.start()
            time.sleep(2)
        assert process.wait(300) == 0, output_of(tmp_path)
    finally:
        process.kill()
        process.wait()
    assert "answers again" in (study / "progsearch.log").read_text()
    assert not (study / "outbox.log").exists()
    assert (study.stat().st_mode & 0o777) == 0o700
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, server.url)
        trials = open_study("tiny", tmp_path / "studies", read_only=True).trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * len(trials)
    assert sum(trial.is_baseline for trial in trials) == 5
    assert sum(not trial.is_baseline for trial in trials) == 6
    assert len({trial.key for trial in trials}) == len(trials)
    # What the server has not written yet is in its memory.
    server.stop()
    server.start()
    assert PASSWORD not in output_of(tmp_path)
    assert leaks(tmp_path) == leaks(server.data) == []


def output_of(folder):
    return (folder / "output").read_text()
