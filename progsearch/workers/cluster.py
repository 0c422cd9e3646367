"""Starts Ray or connects to a cluster, and finds out how many trials fit."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from shutil import rmtree

import psutil
import ray

from progsearch.config import Recipe
from progsearch.errors import ConfigError, MachineFailed, StudyError
from progsearch.internals.ray import (
    no_environment_for_trials,
    signals_left_alone,
    take_back_sigterm,
)
from progsearch.internals.ray_control import ControlService
from progsearch.strategy.problem import Problem
from progsearch.workers.places import Strategy, places
from progsearch.workers.processors import workers_that_fit
from progsearch.workers.starting import (
    STAY_IN_FOLDER,
    as_child_of_ray,
    environment,
    start_ray,
)
from progsearch.workers.watch import anyone_gone

_DRIVER_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's own output and result files: the view and the study have it all.
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # Ctrl-C is handled by `Halt`.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Otherwise Tune asks Ray's control service again and again what there is, for its messages
    # only. If the service is gone, such a call cannot be interrupted, and if another one then
    # answers at its address, Ray aborts this process.
    "TUNE_STATE_REFRESH_PERIOD": "1e9",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000000",
}


# How long Ray's processes may take to end by themselves.
_END_SECONDS = 2
# How long leaving Ray may take once it is gone.
_SHUTDOWN_SECONDS = 30
_SECONDS_BETWEEN_TRIES = 5
_SECONDS_OF_GRACE = 120

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Machines:
    """The machines that run trials.

    Attributes:
        parallel: The number of parallel trials.
        gpus_per_trial: The number of GPUs per trial; a fraction if several share one.
        start_again: Starts Ray again after it was lost, or waits for the cluster and connects
            again; None if somebody else has connected this process to Ray. It raises
            `MachineFailed` if that fails.
        control: Keeps Ray's control service, if it was started here.
        ranks: The number of processes per trial; on GPUs each has one.
        strategy: How Ray places the processes of a trial.
    """

    parallel: int
    gpus_per_trial: float
    start_again: Callable[[], None] | None = field(default=None, compare=False)
    control: ControlService | None = field(default=None, compare=False)
    ranks: int = 1
    strategy: Strategy = "STRICT_PACK"

    @property
    def process(self) -> dict[str, float]:
        """What a process of a trial needs, as Ray names it."""
        return {"CPU": 1.0, "GPU": self.gpus_per_trial / self.ranks}


def starts_here(recipe: Recipe) -> bool:
    """Whether `machines` will start Ray on this machine."""
    return recipe.address is None and not ray.is_initialized()


@contextmanager
def machines(recipe: Recipe) -> Iterator[Machines]:
    """While active, Ray runs.

    If this process is already connected to Ray, that connection is used and stays open.

    Raises:
        ConfigError: There is no cluster at the recipe's address, or no trial fits there.
    """
    mine = not ray.is_initialized()
    control = ControlService(as_child_of_ray, _end_here)
    before = set(psutil.Process().children(recursive=True))
    # If Ray has started already, Tune must pass it to the workers.
    joined = {} if mine else STAY_IN_FOLDER
    if recipe.address is not None:
        # Ray ends this process if the cluster does not answer for so long, by default a minute.
        seconds = int(recipe.reconnect + _SECONDS_OF_GRACE)
        joined = joined | {"RAY_gcs_rpc_server_reconnect_timeout_s": str(seconds)}
    with (
        environment(_DRIVER_ENVIRONMENT | joined),
        no_environment_for_trials(),
        signals_left_alone(),
    ):
        try:
            if mine:
                start_ray(recipe, control)
            fit = _fit(recipe)
            if mine:
                again = partial(_start_again, recipe, control, before)
                fit = replace(fit, start_again=again, control=control)
            # Workers start side by side only if Tune may have as many trials pending.
            with environment({"TUNE_MAX_PENDING_TRIALS_PG": str(fit.parallel)}):
                yield fit
        finally:
            if mine:
                _end_ray(control, before)


def _end_here(reason: str) -> None:
    """End this process, whose main thread waits inside Ray for what does not come."""
    print(f"error: {reason}; all that was saved is kept, give the command again", file=sys.stderr)
    sys.stderr.flush()
    os._exit(MachineFailed.exit_code)


def _end_ray(control: ControlService, before: set[psutil.Process]) -> bool:
    """End Ray and all its processes, and say whether this process could leave it.

    If it was still starting, its daemons may be gone while those that they have just started live
    on for some time.

    Args:
        control: Keeps Ray's control service.
        before: The processes below this one before Ray was started.
    """
    below = psutil.Process().children(recursive=True)
    started = [process for process in below if process not in before and _is_rays(process)]
    folder = control.end()
    has_left = _shut_down()
    if folder is not None:
        rmtree(folder, ignore_errors=True)
    for process in psutil.wait_procs(started, timeout=_END_SECONDS)[1]:
        with suppress(psutil.Error):
            process.kill()
    return has_left


def _shut_down() -> bool:
    """End or leave Ray, and say whether that was possible; if it is gone, it may not be."""
    if not anyone_gone():
        ray.shutdown()
        return True
    thread = threading.Thread(target=ray.shutdown, name="ray-shutdown", daemon=True)
    thread.start()
    thread.join(_SHUTDOWN_SECONDS)
    take_back_sigterm()
    if thread.is_alive():
        # Otherwise the end of this process would wait for it as well.
        atexit.unregister(ray.shutdown)
    return not thread.is_alive()


def _start_again(recipe: Recipe, control: ControlService, before: set[psutil.Process]) -> None:
    """See `Machines.start_again`.

    Args:
        recipe: Says how Ray was started.
        control: As in `_end_ray`.
        before: As in `_end_ray`.
    """
    if not _end_ray(control, before):
        raise MachineFailed(f"this process could not leave Ray in {_SHUTDOWN_SECONDS} s")
    deadline = time.monotonic() + recipe.reconnect
    while True:
        try:
            start_ray(recipe, control)
            return
        except (ConfigError, StudyError) as error:
            if recipe.address is None or time.monotonic() >= deadline:
                raise MachineFailed(str(error)) from error
            time.sleep(_SECONDS_BETWEEN_TRIES)


def _is_rays(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    # Ray's Python processes give themselves names such as ray::DashboardAgent.
    return line.startswith("ray::") or str(Path(ray.__file__).parent) in line


def with_memory_for(found: Machines, recipe: Recipe, problem: Problem) -> Machines:
    """The same machines with no more parallel runs than fit into this machine's memory.

    A number given by the user is kept. Runs on GPUs are not limited, since GPUs have their own
    memory.
    """
    if recipe.parallel is not None or found.gpus_per_trial:
        return found
    return replace(
        found,
        parallel=workers_that_fit(
            found.parallel, problem.parameters * recipe.seeds, processes=found.ranks
        ),
    )


def _fit(recipe: Recipe) -> Machines:
    found = places(recipe, [node["Resources"] for node in ray.nodes() if node["Alive"]])
    if found.strategy == "PACK":
        _log.info(
            "no machine has room for the %d processes of a trial, so that trials are trained "
            "across machines",
            found.ranks,
        )
    return Machines(
        found.parallel, found.gpus_per_trial, ranks=found.ranks, strategy=found.strategy
    )
