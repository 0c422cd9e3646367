"""What Ray and Ray Tune do not promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray._private import utils, worker
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial


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
    """While active, messages of Ray's daemon ("a worker died") are not printed but told.

    Ray prints them to stdout from a thread, whatever ``log_to_driver`` says, which would break
    the output of ``--json``.

    Args:
        tell: Gets who says it and a line.
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
    """While active, Ray that is joined is not told this process's command line.

    Ray shows it to everyone who uses the cluster, and it may hold the password of a database.
    """
    original = utils.get_entrypoint_name
    utils.get_entrypoint_name = lambda: "progsearch"
    try:
        yield
    finally:
        utils.get_entrypoint_name = original


def actor_of(trial: Trial) -> Any | None:
    """The actor that runs a trial, to be killed; None if there is none at the moment.

    Tune offers no way to stop a trial within a step.
    """
    return trial.temporary_state.ray_actor


def death_of(trial: Trial) -> str | None:
    """Why the worker of a trial died, in Ray's words; None if Ray does not say.

    Callbacks are told that a trial failed and not why, and of the error's text only the middle
    is about this worker.
    """
    try:
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except (OSError, TypeError):
        return None
    _, _, detail = str(error).partition("Worker exit detail: ")
    detail, _, _ = detail.partition("Some common causes")
    return detail.strip() or str(error).strip().splitlines()[-1]
