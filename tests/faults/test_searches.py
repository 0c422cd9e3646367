"""Searches that are stopped, killed, or lose a worker."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from optuna.trial import TrialState

from progsearch.api import resume, search
from progsearch.study.folder import open_study
from progsearch.study.progress import left
from progsearch.study.trial import INTERRUPTED
from tests.support.tiny_task import tiny_recipe

pytestmark = pytest.mark.slow


class Search:
    """A search in a separate process group."""

    def __init__(self, recipe, studies_dir, **variables):
        self.words = []
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.searching",
                recipe.model_dump_json(),
                studies_dir,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | variables,
        )

    def wait_for(self, *words):
        """Read its output up to the line that begins with ``words``."""
        for line in self.process.stdout:
            self.words.append(json.loads(line))
            if self.words[-1][: len(words)] == list(words):
                return
        raise AssertionError((self.words, self.process.stderr.read()))

    def workers(self):
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "TrialWorker" in " ".join(child.cmdline())]

    def has(self, name):
        """Whether it has a process whose command has ``name``."""
        return bool(self._named(name))

    def _named(self, name):
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if name in (child.cmdline() or [""])[0]:
                    found.append(child)
        return found

    def kill(self, name):
        """Kill the process whose command has ``name``; returns when."""
        (found,) = self._named(name)
        found.kill()
        return time.monotonic()

    def end(self):
        """Read the rest; returns the exit code and how long it took."""
        began = time.monotonic()
        out, err = self.process.communicate(timeout=120)
        self.words += [json.loads(line) for line in out.splitlines()]
        assert err == ""
        return self.process.returncode, time.monotonic() - began


@pytest.fixture
def begin(tmp_path):
    searches = []

    def begin(recipe, **variables):
        searches.append(Search(recipe, str(tmp_path / "studies"), **variables))
        return searches[-1]

    yield begin
    for begun in searches:
        begun.process.kill()
        begun.process.wait()


def states(folder):
    return [trial.state for trial in folder.study.trials]


@pytest.mark.parametrize("moment", ["while workers start", "within an epoch"])
def test_ctrl_c_saves_everything_at_once(tmp_path, begin, moment):
    running = begin(tiny_recipe(tmp_path / "tiny", rows=4_000, training={"epochs": 50}))
    if moment == "within an epoch":
        running.wait_for("record", 1, 1)
    else:
        running.wait_for("run_started", 1)
    # What a terminal does: the whole process group gets it.
    os.killpg(running.process.pid, signal.SIGINT)
    code, seconds = running.end()
    assert code == 130
    assert seconds < 30
    assert running.words[-2] == ["finished", "interrupted"]
    kind, text = running.words[-1][1:]
    assert kind == "Interrupted"
    assert f"resume('tiny', studies_dir='{tmp_path}/studies')" in text

    folder = open_study("tiny", tmp_path / "studies")
    assert states(folder) == [TrialState.FAIL] * 2
    assert {t.reason for t in folder.trials()} == {INTERRUPTED}
    # No progtuning-50: the model has 3 blocks.
    assert left(folder)[:3] == (4, 4, 2)


def test_ctrl_c_leaves_no_process_that_trains_a_trial_with_others(tmp_path, begin):
    recipe = tiny_recipe(tmp_path / "tiny", rows=4_000, parallel=1, processes_per_trial=2)
    running = begin(recipe)
    running.wait_for("record", 0, 1)
    processes = psutil.Process(running.process.pid).children(recursive=True)
    names = " ".join(word for process in processes for word in process.cmdline())
    assert "TrialWorker" in names and "Follower" in names
    os.killpg(running.process.pid, signal.SIGINT)
    code, seconds = running.end()
    assert code == 130 and seconds < 30
    assert not any(process.is_running() for process in processes)
    assert {t.reason for t in open_study("tiny", tmp_path / "studies").trials()} == {INTERRUPTED}


@pytest.mark.parametrize("kind", [signal.SIGHUP, signal.SIGUSR1])
def test_a_closed_terminal_and_a_batch_system_are_as_ctrl_c(tmp_path, begin, kind):
    running = begin(tiny_recipe(tmp_path / "tiny", rows=4_000, training={"epochs": 50}))
    running.wait_for("run_started", 1)
    os.killpg(running.process.pid, kind)
    code, seconds = running.end()
    assert code == (129 if kind == signal.SIGHUP else 130)
    assert seconds < 30
    assert running.words[-2] == ["finished", "interrupted"]
    assert "continue with `resume('tiny', " in running.words[-1][2]


def test_a_kill_for_memory_is_the_failure_of_one_trial(tmp_path, begin):
    # More is in use already, so Ray kills every worker. The folder is too long for its sockets.
    folder = tmp_path / ("n" * 100)
    folder.mkdir()
    settings = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "100"}
    recipe = tiny_recipe(tmp_path / "tiny", rows=4_000, budget=1, parallel=1)
    running = begin(recipe, TMPDIR=str(folder), **settings)
    code, _ = running.end()
    assert code == 1
    assert running.words[-1][1] == "NothingUsable"
    folder = open_study("tiny", tmp_path / "studies")
    assert set(states(folder)) == {TrialState.FAIL}
    assert len(folder.trials()) == 6
    for trial in folder.trials():
        assert trial.reason.startswith("out of memory: Ray killed its worker at ")


def test_trials_run_in_the_processes_that_were_started_ahead(tmp_path, begin):
    running = begin(tiny_recipe(tmp_path / "tiny", rows=2_000, budget=1, parallel=2))
    running.wait_for("started")
    began = time.time()
    running.wait_for("record", 1, 1)
    workers = running.workers()
    assert len(workers) == 2
    assert all(worker.create_time() < began for worker in workers)


def test_a_killed_search_is_finished_by_resume(tmp_path, begin):
    recipe = tiny_recipe(tmp_path / "tiny", budget=3)
    running = begin(recipe)
    running.wait_for("run_ended")
    running.wait_for("run_started")
    workers = running.workers()
    running.process.kill()
    running.process.communicate()
    before = open_study("tiny", tmp_path / "studies", read_only=True)
    lost = [t for t in before.trials() if t.is_running]
    assert lost

    folder = resume("tiny", studies_dir=tmp_path / "studies").folder
    trials = folder.trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.FAIL}
    done = [trial for trial in trials if trial.is_complete]
    assert sum(trial.is_baseline for trial in done) == 5
    assert sum(not trial.is_baseline for trial in done) == 3
    for trial in lost:
        again = [t for t in done if t.retry_of == trial.number]
        assert [t.run for t in again] == [trial.run]
    assert len({trial.key for trial in done}) == 8
    assert not any(worker.is_running() for worker in workers)


def test_a_search_that_was_killed_and_resumed_is_the_undisturbed_one(tmp_path, begin):
    def trained(folder):
        found = [trial for trial in folder.trials() if not trial.is_interrupted]
        return [(t.name, t.params, t.key, t.state, t.frozen.values) for t in found]

    recipe = tiny_recipe(tmp_path / "tiny", budget=4, parallel=1)
    undisturbed = search(recipe, studies_dir=tmp_path / "undisturbed")
    running = begin(recipe)
    running.wait_for("run_started", 6)
    running.process.kill()
    running.process.communicate()
    resumed = resume("tiny", studies_dir=tmp_path / "studies")
    assert any(trial.is_interrupted for trial in resumed.folder.trials())
    assert trained(resumed.folder) == trained(undisturbed.folder)


def test_a_dead_worker_costs_nothing(tmp_path, begin):
    # So many that the worker is still training when it is found.
    recipe = tiny_recipe(tmp_path / "tiny", rows=8_000, budget=1, parallel=1)
    running = begin(recipe)
    running.wait_for("record", 0, 1)
    (worker,) = running.workers()
    worker.kill()
    code, _ = running.end()
    assert code == 0
    folder = open_study("tiny", tmp_path / "studies")
    assert states(folder) == [TrialState.FAIL, *[TrialState.COMPLETE] * 6]
    lost, *_ = trials = folder.trials()
    assert "the worker process died" in (lost.reason or "")
    assert [trial.name for trial in trials if trial.retry_of == 0] == [lost.name]
    assert "worker" in folder.log.read_text()


def test_the_death_of_rays_control_service_costs_nothing(tmp_path, begin):
    running = begin(tiny_recipe(tmp_path / "tiny", rows=8_000, budget=1))
    running.wait_for("run_started", 1)
    running.kill("gcs_server")
    code, _ = running.end()
    assert (code, running.words[-1]) == (0, ["finished", "budget"])
    folder = open_study("tiny", tmp_path / "studies")
    assert states(folder) == [TrialState.COMPLETE] * 6
    assert "(GCS) has ended and was started again" in folder.log.read_text()


@pytest.mark.parametrize(
    ("name", "seconds"), [("gcs_server", 0), ("gcs_server", 1.5), ("raylet/raylet", 0)]
)
def test_what_dies_while_ray_starts_is_started_again(tmp_path, begin, name, seconds):
    running = begin(tiny_recipe(tmp_path / "tiny", budget=1))
    deadline = time.monotonic() + 60
    while not running.has(name):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(seconds)
    killed = running.kill(name)
    running.wait_for("run_started")
    assert time.monotonic() - killed < 60
    code, _ = running.end()
    assert (code, running.words[-1]) == (0, ["finished", "budget"])
    assert states(open_study("tiny", tmp_path / "studies")) == [TrialState.COMPLETE] * 6


def test_ray_is_started_again_after_its_death(tmp_path, begin):
    running = begin(tiny_recipe(tmp_path / "tiny", rows=8_000, budget=1))
    running.wait_for("run_started", 1)
    killed = running.kill("raylet/raylet")
    running.wait_for("run_ended")
    assert time.monotonic() - killed < 20
    code, _ = running.end()
    assert code == 0
    assert running.words[-1] == ["finished", "budget"]
    trials = open_study("tiny", tmp_path / "studies").trials()
    lost = [trial for trial in trials if trial.is_lost]
    assert lost
    assert "does not answer any more" in lost[0].reason
    for trial in lost:
        assert [again.tries for again in trials if again.retry_of == trial.number] == [2]
    done = [trial for trial in trials if trial.is_complete]
    assert len(done) == len({trial.key for trial in done}) == 6
    assert sum(trial.is_baseline for trial in done) == 5
