"""Each use of something that Ray does not promise; what fails here, an upgrade has moved."""

import ctypes
import inspect
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from ray._private import ray_constants, services, utils, worker
from ray._private.node import Node
from ray.air.execution._internal import actor_manager
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError
from ray.tune import tune
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial

from progsearch.internals.ray import (
    _raylet,
    actor_of,
    command_line_untold,
    daemon_messages,
    death_of,
    every_death_is_of_one_worker,
    joined_when_ready,
    listening_places,
    memory_at_kill,
    no_environment_for_trials,
    processes_in_a_group_of_their_own,
    processes_started_ahead,
    signals_left_alone,
    take_back_sigterm,
)

# The message of Ray 2.60.
KILLED = (
    "1 worker(s) were killed due to the node running low on memory. Memory on the node "
    "(IP: 192.0.2.2, ID: b7) was 3.62GB used / 23.54GB limit (0.153767)\nOOM kill reason: ..."
)
DAEMON = Path(ray.__file__).parent / "core/src/ray/raylet/raylet"


@pytest.mark.parametrize("variable", processes_started_ahead("a.module"))
def test_rays_daemon_reads_the_settings_of_processes_that_are_started_ahead(variable):
    assert variable.removeprefix("RAY_").encode() in DAEMON.read_bytes()


def test_where_rays_daemons_listen(monkeypatch):
    node = SimpleNamespace(gcs_address="192.0.2.2:6379", raylet_socket_name="a-socket")
    for name in ("gcs_address", "raylet_socket_name"):
        assert hasattr(Node, name)
    monkeypatch.setattr(worker, "_global_node", node)
    assert [place for _, place in listening_places()] == [("192.0.2.2", 6379), "a-socket"]


@pytest.fixture
def daemon(monkeypatch):
    """A process that stands in for Ray's daemon, and a core that says it was let in."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    node = SimpleNamespace(
        all_processes={"raylet": [SimpleNamespace(process=process)]},
        gcs_address="192.0.2.2:6379",
        plasma_store_socket_name="a-socket",
    )
    monkeypatch.setattr(worker, "_global_node", node)
    monkeypatch.setattr(_raylet, "CoreWorker", lambda *words: ("in", *words))
    yield process
    process.kill()
    process.wait()


def test_this_process_joins_ray_once_its_daemon_is_ready(daemon, monkeypatch):
    answers = [TimeoutError(), None]

    def wait(address, socket, timeout):
        assert (address, socket, timeout) == ("192.0.2.2:6379", "a-socket", 1)
        if answer := answers.pop(0):
            raise answer

    monkeypatch.setattr(services, "wait_for_node", wait)
    core = _raylet.CoreWorker
    with joined_when_ready():
        assert _raylet.CoreWorker("a word") == ("in", "a word")
    assert answers == []
    assert _raylet.CoreWorker is core


def test_a_daemon_that_dies_before_is_an_error_and_not_the_end(daemon, monkeypatch):
    def wait(address, socket, timeout):
        daemon.kill()
        daemon.wait()
        raise TimeoutError

    monkeypatch.setattr(services, "wait_for_node", wait)
    with joined_when_ready(), pytest.raises(RuntimeError, match="has ended while Ray started"):
        _raylet.CoreWorker()


def test_the_handler_of_sigterm_is_taken_back_at_once(daemon, monkeypatch):
    monkeypatch.setattr(services, "wait_for_node", lambda *words, timeout: None)
    before = signal.getsignal(signal.SIGTERM)
    installed = []
    monkeypatch.setattr(signal, "signal", lambda *words: installed.append(words))
    with joined_when_ready():
        _raylet.CoreWorker()
    assert installed == [(signal.SIGTERM, before)]


def test_ray_has_what_is_used_to_wait_for_its_daemon():
    assert "ray._raylet.CoreWorker(" in inspect.getsource(worker.connect)
    assert {"timeout"} < inspect.signature(services.wait_for_node).parameters.keys()
    assert hasattr(Node, "plasma_store_socket_name")
    assert ray_constants.PROCESS_TYPE_RAYLET == "raylet"


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


@pytest.mark.parametrize("module", [ray._private.node, ray._private.worker])
def test_ray_leaves_sigterm_alone_through_one_function(module):
    assert "ray._private.utils.set_sigterm_handler(" in inspect.getsource(module)
    assert "signal.signal(" not in inspect.getsource(module)


def test_ray_and_tune_take_no_signals():
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(kind) for kind in kinds]
    originals = utils.set_sigterm_handler, tune._setup_signal_catching
    with signals_left_alone():
        utils.set_sigterm_handler(print)
        assert not tune._setup_signal_catching().is_set()
    assert [signal.getsignal(kind) for kind in kinds] == before
    assert (utils.set_sigterm_handler, tune._setup_signal_catching) == originals


@pytest.mark.parametrize("kind", [OutOfMemoryError, WorkerCrashedError])
@pytest.mark.parametrize("failed", ["_actor_start_failed", "_actor_task_failed"])
def test_tune_takes_every_loss_of_a_worker_as_its_death(kind, failed):
    told = []
    actor = SimpleNamespace(actor_id=1, _on_error=lambda actor, error: told.append(error))
    manager = SimpleNamespace(_failed_actor_ids=set(), _cleanup_actor=lambda tracked_actor: None)
    what = {"tracked_actor": actor}
    if failed == "_actor_task_failed":
        what = {"tracked_actor_task": SimpleNamespace(_tracked_actor=actor, _on_error=None)}
    error = kind(KILLED) if kind is OutOfMemoryError else kind()
    original = getattr(RayActorManager, failed)
    with every_death_is_of_one_worker():
        getattr(RayActorManager, failed)(manager, exception=error, **what)
    assert getattr(RayActorManager, failed) is original
    assert isinstance(told[0], RayActorError)
    assert str(told[0]) == str(error)
    source = inspect.getsource(actor_manager)
    assert "tracked_actor=tracked_actor, exception=exception" in source
    assert "tracked_actor_task=tracked_actor_task, exception=exception" in source


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


def test_ray_says_how_much_memory_was_used_when_it_killed_for_it(failing):
    assert memory_at_kill(failing) is None
    failing.handle_error(RayActorError(error_msg="killed by someone"))
    assert memory_at_kill(failing) is None
    failing.handle_error(RayActorError(error_msg=KILLED))
    assert memory_at_kill(failing) == "3.62GB of 23.54GB"
    said = DAEMON.read_bytes()
    words = (b" worker(s) were killed due to the node running low on memory", b"GB used / ")
    assert all(part in said for part in words)


def test_ray_says_between_known_words_why_a_worker_died(failing):
    words = "Worker exit detail: {} Some common causes include: (1) ..."
    failing.handle_error(RayTaskError("step", words.format("Killed for memory."), None))
    assert death_of(failing) == "Killed for memory."
    said = DAEMON.read_bytes()
    assert all(part.encode() in said for part in ("Worker exit detail: ", "Some common causes"))


def test_rays_processes_start_in_a_group_of_their_own():
    original = services.ConsolePopen
    assert "ConsolePopen(" in inspect.getsource(services.start_ray_process)
    with processes_in_a_group_of_their_own():
        started = services.ConsolePopen(["sleep", "10"])
    try:
        assert os.getpgid(started.pid) == started.pid != os.getpgid(0)
    finally:
        started.kill()
        started.wait()
    assert services.ConsolePopen is original


def test_the_handler_of_sigterm_is_ours_again_when_ray_ends(monkeypatch):
    """Ray's core takes it away without Python's knowledge, here `ctypes` does."""
    got = []
    handler = signal.signal(signal.SIGTERM, lambda *_: got.append(1))
    source = inspect.getsource(ray._private.worker.shutdown)
    assert source.index("shutdown_driver()") < source.index("kill_all_processes(")
    ignored = ctypes.CDLL(None).signal
    try:
        monkeypatch.setattr(Node, "kill_all_processes", lambda _: None)
        with signals_left_alone():
            ignored(int(signal.SIGTERM), signal.SIG_IGN)
            Node.kill_all_processes(None)
            os.kill(os.getpid(), signal.SIGTERM)
        assert got == [1]
        ignored(int(signal.SIGTERM), signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGTERM)
        assert got == [1]
        take_back_sigterm()
        os.kill(os.getpid(), signal.SIGTERM)
        assert got == [1, 1]
    finally:
        signal.signal(signal.SIGTERM, handler)
