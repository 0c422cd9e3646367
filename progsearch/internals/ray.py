"""What Ray and Ray Tune do not promise."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ray import _raylet as _untyped_raylet
from ray import cloudpickle
from ray._private import services, utils, worker
from ray._private.node import Node
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune import tune
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial

from progsearch.errors import RankLost


def processes_started_ahead(module: str) -> dict[str, str]:
    """Environment variables with which Ray prepares a process for each processor as it starts.

    Ray starts these processes anyway. If each is to train trials, it should load what that needs
    while Ray still starts, and live: as soon as Tune reserves the processors, Ray would end it.

    Args:
        module: Imported in each of the processes.
    """
    return {
        "RAY_preload_python_modules": module,
        "RAY_kill_idle_workers_interval_ms": "0",
    }


_QUESTION = """
import sys
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1]).internal_kv_get(b"session_name", b"session", timeout=10)
except Exception as error:
    sys.exit(type(error).__name__)
"""


def unanswered(address: str, seconds: float) -> str | None:
    """Why no Ray cluster at ``HOST:PORT`` answers in time; None if one does.

    A separate process asks, because a connection attempt of Ray cannot be interrupted.
    """
    command = [sys.executable, "-P", "-c", _QUESTION, address]
    silent = f"the process that listens there did not answer as a cluster in {seconds:g} s"
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return silent
    if not asked.returncode:
        return None
    if "AuthenticationError" in asked.stderr:
        return "it needs a token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to its file"
    return silent


CONTROL_SERVICE = "Ray's control service (GCS)"
# mypy finds nothing in it, since it is compiled.
_raylet: Any = _untyped_raylet
# As long as Ray waits for its processes, by default.
_SECONDS_FOR_DAEMON = 30
Place = tuple[str, int] | str
"""A host and a port, or the path of a socket."""


def listening_places() -> list[tuple[str, Place]]:
    """Where the daemons that this process is connected to listen, each with its name for users.

    None without Ray, and through Ray's client.
    """
    node = worker._global_node
    if node is None:
        return []
    host, _, port = node.gcs_address.rpartition(":")
    return [
        (CONTROL_SERVICE, (host.strip("[]"), int(port))),
        ("Ray's daemon (raylet)", str(node.raylet_socket_name)),
    ]


@contextmanager
def no_environment_for_trials() -> Iterator[None]:
    """While active, Tune takes the processes that Ray started ahead.

    Tune wants an environment variable for Lightning in each trial's process, so by itself it
    gets new processes.
    """
    wanted = dict(class_cache.DEFAULT_ENV_VARS)
    class_cache.DEFAULT_ENV_VARS.clear()
    try:
        yield
    finally:
        class_cache.DEFAULT_ENV_VARS.update(wanted)


@contextmanager
def daemon_messages(tell: Callable[[str, str], None]) -> Iterator[None]:
    """While active, messages of Ray's daemon ("a worker died") go to ``tell``, not to stdout.

    Ray prints them to stdout from a thread, whatever ``log_to_driver`` is, which would break
    the output of ``--json``.

    Args:
        tell: Called with the sender and a line.
    """

    def tell_lines(data: dict[str, Any], ignore_prefix: bool) -> None:
        for line in data["lines"]:
            tell(str(data["pid"]), line)

    original = worker.print_to_stdstream
    worker.print_to_stdstream = tell_lines
    try:
        yield
    finally:
        worker.print_to_stdstream = original


@contextmanager
def command_line_untold() -> Iterator[None]:
    """While active, Ray does not get this process's command line on connecting.

    Ray shows it to all users of the cluster, and it may contain a database password.
    """
    original = utils.get_entrypoint_name
    utils.get_entrypoint_name = lambda: "progsearch"
    try:
        yield
    finally:
        utils.get_entrypoint_name = original


@contextmanager
def signals_left_alone() -> Iterator[None]:
    """While active, Ray and Tune do not install signal handlers.

    Otherwise Ray handles SIGTERM and Tune SIGUSR1, and both exit without notifying progsearch.
    What Ray's core does behind Python's back is undone by `take_back_sigterm`, which this context
    calls when Ray ends, and which is to be called after Ray has started.
    """
    originals = utils.set_sigterm_handler, tune._setup_signal_catching
    kill_all_processes = Node.kill_all_processes

    def kill(node: Node, *arguments: Any, **settings: Any) -> None:
        # By now the core, on its end, has taken all handlers of SIGTERM away.
        take_back_sigterm()
        kill_all_processes(node, *arguments, **settings)

    utils.set_sigterm_handler = lambda handler: None
    tune._setup_signal_catching = threading.Event
    Node.kill_all_processes = kill
    try:
        yield
    finally:
        utils.set_sigterm_handler, tune._setup_signal_catching = originals
        Node.kill_all_processes = kill_all_processes


def take_back_sigterm() -> None:
    """Have Python's handler called again, where Ray's core installed its own.

    That of the core prints the stack and aborts.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


@contextmanager
def joined_when_ready() -> Iterator[None]:
    """While active, this process joins Ray only once Ray's daemon here is ready for it.

    Ray's core ends this process, without a word of what is saved, if the daemon dies while it
    waits to be let in. Meanwhile SIGTERM ends it as well, so its handler is taken back at once.
    """
    original = _raylet.CoreWorker

    def join(*arguments: Any, **settings: Any) -> Any:
        node = worker._global_node
        if node is not None and "raylet" in node.all_processes:
            _wait_for_daemon(node)
        core = original(*arguments, **settings)
        take_back_sigterm()
        return core

    _raylet.CoreWorker = join
    try:
        yield
    finally:
        _raylet.CoreWorker = original


def _wait_for_daemon(node: Node) -> None:
    daemon = node.all_processes["raylet"][0].process
    until = time.monotonic() + _SECONDS_FOR_DAEMON
    while daemon.poll() is None:
        try:
            services.wait_for_node(node.gcs_address, node.plasma_store_socket_name, timeout=1)
            return
        except TimeoutError:
            if time.monotonic() > until:
                raise
    raise RuntimeError("Ray's daemon (raylet) has ended while Ray started")


@contextmanager
def processes_in_a_group_of_their_own() -> Iterator[None]:
    """While active, newly started processes of Ray do not get the signals of this process's group.

    Terminals and batch systems signal the whole group. Ray's processes would end before the
    search could, and complain. The system still ends them with this process, as Ray asks on Linux.
    """
    original = services.ConsolePopen
    if utils.detect_fate_sharing_support():
        services.ConsolePopen = partial(original, process_group=0)
    try:
        yield
    finally:
        services.ConsolePopen = original


@contextmanager
def every_death_is_of_one_worker() -> Iterator[None]:
    """While active, Tune treats every lost worker as a dead worker.

    Ray raises other errors if it killed a worker to free memory. Tune does not handle them, so
    the whole search would fail.
    """
    originals = RayActorManager._actor_start_failed, RayActorManager._actor_task_failed
    start_failed, task_failed = originals

    def start(manager: Any, *, exception: Exception, **what: Any) -> None:
        start_failed(manager, exception=_as_death(exception), **what)

    def task(manager: Any, *, exception: Exception, **what: Any) -> None:
        task_failed(manager, exception=_as_death(exception), **what)

    RayActorManager._actor_start_failed, RayActorManager._actor_task_failed = start, task
    try:
        yield
    finally:
        RayActorManager._actor_start_failed, RayActorManager._actor_task_failed = originals


def _as_death(exception: Exception) -> Exception:
    if isinstance(exception, RayError) and not isinstance(exception, RayActorError | RayTaskError):
        death: Exception = RayActorError(error_msg=str(exception))
        return death
    return exception


def actor_of(trial: Trial) -> Any | None:
    """The actor that runs a trial, to be killed; None if there is no actor at the moment.

    Tune offers no way to stop a trial within a step.
    """
    return trial.temporary_state.ray_actor


def death_of(trial: Trial) -> str | None:
    """Why the worker of a trial died, as Ray reports it; None if Ray gives no reason.

    Callbacks learn that a trial failed but not why, and only the middle of the error's text is
    about this worker.
    """
    error = _error_of(trial)
    if error is None:
        return None
    named = f"{RankLost.__module__}.{RankLost.__qualname__}: "
    return exit_detail(error) or error.strip().splitlines()[-1].removeprefix(named)


def exit_detail(error: str) -> str:
    """What Ray's error of a dead process says of its end; empty if it says nothing."""
    _, _, detail = error.partition("Worker exit detail: ")
    detail, _, _ = detail.partition("Some common causes")
    return detail.strip()


def memory_at_kill(trial: Trial) -> str | None:
    """The memory in use when Ray killed the worker of a trial to free memory, as Ray reports it.

    None if the worker was not killed to free memory.
    """
    error = _error_of(trial) or ""
    if "low on memory" not in error:
        return None
    found = re.search(r"was (\S+) used / (\S+) limit", error)
    return f"{found[1]} of {found[2]}" if found else "the limit"


def _error_of(trial: Trial) -> str | None:
    try:
        return str(cloudpickle.loads(Path(trial.pickled_error_file).read_bytes()))
    except (OSError, TypeError):
        return None
