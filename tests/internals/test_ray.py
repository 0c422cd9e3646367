"""Each use of something that Ray does not promise; what fails here, an upgrade has moved."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from ray._private import utils, worker
from ray.exceptions import RayTaskError
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial

from progsearch.internals.ray import (
    actor_of,
    command_line_untold,
    daemon_messages,
    death_of,
    no_environment_for_trials,
    processes_started_ahead,
)

DAEMON = Path(ray.__file__).parent / "core/src/ray/raylet/raylet"


@pytest.mark.parametrize("variable", processes_started_ahead("a.module"))
def test_rays_daemon_reads_the_settings_of_processes_that_are_started_ahead(variable):
    assert variable.removeprefix("RAY_").encode() in DAEMON.read_bytes()


def test_tune_wants_no_environment_for_trials(monkeypatch):
    wanted = []

    def remote(runtime_env):
        wanted.append(runtime_env)
        return lambda cls: cls

    monkeypatch.setattr(ray, "remote", remote)
    before = dict(class_cache.DEFAULT_ENV_VARS)
    with no_environment_for_trials():
        class_cache._ActorClassCache().get(int)
    class_cache._ActorClassCache().get(int)
    assert before, "without it, this were of no use"
    assert not before.keys() & wanted[0]["env_vars"].keys()
    assert before.items() <= wanted[1]["env_vars"].items()


def test_messages_of_rays_daemon_are_told_and_not_printed(capsys):
    messages = [(None, {"job_id": None, "error_message": "A worker died"})]
    stopped = SimpleNamespace(is_set=lambda: not messages)
    subscriber = SimpleNamespace(subscribe=lambda: None, poll=messages.pop, close=lambda: None)
    listener = SimpleNamespace(gcs_error_subscriber=subscriber, current_job_id=ray.JobID.nil())
    told, original = [], worker.print_to_stdstream
    with daemon_messages(lambda *words: told.append(words)):
        worker.listen_error_messages(listener, stopped)
    assert told == [("raylet", "A worker died")]
    assert capsys.readouterr().out == ""
    assert worker.print_to_stdstream is original


def test_ray_is_not_told_the_command_line(monkeypatch):
    told, original = [], utils.get_entrypoint_name

    def connect(*_, entrypoint, **__):
        told.append(entrypoint)
        raise InterruptedError

    node = SimpleNamespace(session_name="a", webui_url="")
    monkeypatch.setattr(worker, "connect", connect)
    monkeypatch.setattr(worker, "_global_node", None)
    monkeypatch.setattr(ray._private.node, "Node", lambda *_, **__: node)
    with pytest.raises(InterruptedError), command_line_untold():
        ray.init(address="local", include_dashboard=False, logging_level="error")
    assert told == ["progsearch"]
    assert utils.get_entrypoint_name is original


def test_a_trial_of_tune_knows_its_actor():
    trial = Trial("a trainable", stub=True)
    assert actor_of(trial) is None
    remote = SimpleNamespace(remote=lambda **settings: None)
    actor = SimpleNamespace(get_auto_filled_metrics=remote)
    trial.set_ray_actor(actor)
    assert actor_of(trial) is actor


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """A trial of Tune that keeps its errors in a folder."""
    monkeypatch.setattr(Trial, "local_path", str(tmp_path))
    return Trial("a trainable", stub=True)


def test_a_trial_of_tune_keeps_why_its_worker_died(failing):
    assert death_of(failing) is None
    failing.handle_error(RayTaskError("step", "File x\nRuntimeError: CUDA error", None))
    assert death_of(failing) == "RuntimeError: CUDA error"


def test_ray_says_between_known_words_why_a_worker_died(failing):
    words = "Worker exit detail: {} Some common causes include: (1) ..."
    failing.handle_error(RayTaskError("step", words.format("Killed for memory."), None))
    assert death_of(failing) == "Killed for memory."
    said = DAEMON.read_bytes()
    assert all(part.encode() in said for part in ("Worker exit detail: ", "Some common causes"))
