"""Starts Ray on this machine, or connects to a cluster."""

from __future__ import annotations

import functools
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os.path import exists, expanduser
from pathlib import Path
from shutil import rmtree
from typing import Any

import ray

from progsearch.config import Recipe
from progsearch.errors import ConfigError, StudyError
from progsearch.internals.ray import (
    command_line_untold,
    joined_when_ready,
    processes_in_a_group_of_their_own,
    processes_started_ahead,
    take_back_sigterm,
)
from progsearch.internals.ray_control import ControlService
from progsearch.paths import check_writable_folder, is_of_a_place, reason_of
from progsearch.workers.address import check_address
from progsearch.workers.halt import signals_kept_from_children
from progsearch.workers.owned import owned_folder
from progsearch.workers.processors import allowed_processors, has_gpus, workers_that_fit

# Relative paths of the user's files start in the current folder.
STAY_IN_FOLDER = {"RAY_CHDIR_TO_TRIAL_DIR": "0"}
WORKER_ENVIRONMENT = STAY_IN_FOLDER | {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    # A trial that was given no GPU must not see any.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}
# Weights and data go through files; only configs and results go through Ray's object store.
_OBJECT_STORE_BYTES = 128 * 2**20
_START_TRIES = 3
# Ray's sockets have paths such as FOLDER/ray/session_DATE_TIME_PROCESS/sockets/plasma_store, and
# the system limits them to 107 bytes.
_LONGEST_FOLDER = 107 - len("/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")
_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
_TOKEN_SETTINGS = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

_log = logging.getLogger(__name__)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """While active, these environment variables are set."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def as_child_of_ray() -> Iterator[None]:
    """While active, processes that Ray starts get neither our signals nor those of our group."""
    with environment(_token()), signals_kept_from_children(), processes_in_a_group_of_their_own():
        yield


def start_ray(recipe: Recipe, control: ControlService) -> None:
    """Start Ray here, or connect to the cluster at the recipe's address.

    Args:
        recipe: The recipe of the search.
        control: Keeps the control service that is started here.

    Raises:
        ConfigError: There is no cluster at the address.
        StudyError: Ray does not start; the message gives Ray's reason.
    """
    if recipe.address is None:
        _start_here(recipe, control)
        return
    check_address(recipe.address)
    try:
        _init(address=recipe.address, runtime_env={"env_vars": WORKER_ENVIRONMENT})
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            "address",
            [("", f"cannot connect to a Ray cluster at {recipe.address}: {_first_line(error)}")],
        ) from error


def _start_here(recipe: Recipe, control: ControlService) -> None:
    variables = WORKER_ENVIRONMENT | _short_folder()
    if recipe.parallel is not None or not has_gpus():
        variables |= processes_started_ahead("progsearch.workers.preload")
    for tries_left in reversed(range(_START_TRIES)):
        # A new one for each try, since Ray would continue what it finds in it.
        place = Path(variables["RAY_TMPDIR"]) / "ray"
        place.mkdir(exist_ok=True)
        folder = owned_folder(place, "progsearch-")
        try:
            # Ray's processes inherit it. With a runtime_env, Ray would not use the processes that
            # it starts ahead.
            with environment(variables), as_child_of_ray(), control.starting(folder) as settings:
                _init(
                    address="local",
                    num_cpus=_processors(recipe),
                    object_store_memory=_OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    _system_config=settings,
                )
            return
        except Exception as error:
            control.end()
            ray.shutdown()
            rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and is_of_a_place(error):
                reason = f"{error.filename or 'a folder'} cannot be used: {reason_of(error)}"
                raise StudyError(f"Ray cannot start on this machine: {reason}") from error
            # Ray waits 30 s for its own processes, too little on a busy machine, and then raises
            # a plain Exception.
            if not tries_left:
                raise StudyError(
                    f"Ray did not start in {_START_TRIES} tries: {_first_line(error)}; if the "
                    "machine is busy, free memory and processors; otherwise see Ray's logs in "
                    f"{_logs(variables)}"
                ) from error


def _processors(recipe: Recipe) -> int:
    """How many processes may train here at once."""
    ranks = recipe.ranks_per_trial
    if recipe.parallel is not None:
        return recipe.parallel * ranks
    allowed = allowed_processors()
    trials = allowed // ranks
    # Without room for any, it is refused once Ray runs, as on a cluster.
    return ranks * workers_that_fit(trials, processes=ranks) if trials else allowed


def _short_folder() -> dict[str, str]:
    """Choose the folder for Ray's files: the usual one, or another if that cannot be used.

    Raises:
        StudyError: There is no usable folder.
    """
    usual = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    reasons = []
    for folder in (usual, *_SHORT_FOLDERS):
        try:
            if len(os.fsencode(folder)) > _LONGEST_FOLDER:
                raise ConfigError("RAY_TMPDIR", [("", f"{folder} is too long for Ray's sockets")])
            check_writable_folder(Path(folder) / "ray", "RAY_TMPDIR")
        except ConfigError as error:
            reasons.append(error.problems[0][1])
            continue
        if folder != usual:
            _log.warning("Ray keeps its files in %s: %s", folder, reasons[0])
        return {"RAY_TMPDIR": folder}
    raise StudyError(
        f"Ray has no folder for its files: {reasons[0]}; set RAY_TMPDIR to a short, writable one"
    )


@functools.cache
def _token() -> dict[str, str]:
    """A Ray token for this process, if Ray cannot store one in the user's home.

    In containers that run with an arbitrary user id, the home often belongs to root.
    """
    home = Path(expanduser("~/.ray"))
    if any(name in os.environ for name in _TOKEN_SETTINGS) or exists(home / "auth_token"):
        return {}
    try:
        check_writable_folder(home, "HOME")
    except ConfigError:
        return {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {}


def _logs(variables: Mapping[str, str]) -> Path:
    return Path(variables["RAY_TMPDIR"]) / "ray/session_latest/logs"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _init(**settings: Any) -> None:
    with command_line_untold(), joined_when_ready():
        ray.init(log_to_driver=False, logging_level="warning", **settings)
    take_back_sigterm()
