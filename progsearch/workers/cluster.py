"""Starts Ray, or joins a cluster, and says how many trials fit on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from progsearch.config import Recipe
from progsearch.errors import ConfigError, StudyError
from progsearch.internals.ray import (
    no_environment_for_trials,
    processes_started_ahead,
    signals_left_alone,
)
from progsearch.workers.halt import signals_kept_from_children

_DRIVER_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's own output and result files: the view and the study have it all.
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # Ctrl-C is handled by `Halt`.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
# Relative paths of the user's files begin there.
_STAY_IN_FOLDER = {"RAY_CHDIR_TO_TRIAL_DIR": "0"}
WORKER_ENVIRONMENT = _STAY_IN_FOLDER | {
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


@dataclass(frozen=True)
class Machines:
    """The machines that run trials.

    Attributes:
        parallel: How many at once.
        gpus_per_trial: GPUs each of them has; a fraction if several share one.
    """

    parallel: int
    gpus_per_trial: float


def starts_here(recipe: Recipe) -> bool:
    """Whether `machines` is going to start a Ray of its own on this machine."""
    return recipe.address is None and not ray.is_initialized()


@contextmanager
def machines(recipe: Recipe) -> Iterator[Machines]:
    """While active, Ray runs.

    A Ray that this process is connected to already is used as it is and left running.

    Raises:
        ConfigError: There is no cluster at the recipe's address, no such GPU, or a trial is to
            have several GPUs.
    """
    if recipe.gpus_per_trial is not None and recipe.gpus_per_trial > 1:
        reason = f"a trial is trained on one GPU; give at most 1, got {recipe.gpus_per_trial:g}"
        raise ConfigError("gpus_per_trial", [("", reason)])
    mine = not ray.is_initialized()
    # If Ray has started already, Tune must pass it to the workers.
    joined = {} if mine else _STAY_IN_FOLDER
    with (
        _environment(_DRIVER_ENVIRONMENT | joined),
        no_environment_for_trials(),
        signals_left_alone(),
    ):
        if mine:
            _start(recipe)
        try:
            fit = _fit(recipe)
            # Workers start side by side only if Tune may have as many trials pending.
            with _environment({"TUNE_MAX_PENDING_TRIALS_PG": str(fit.parallel)}):
                yield fit
        finally:
            if mine:
                ray.shutdown()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _start(recipe: Recipe) -> None:
    if recipe.address is None:
        _start_here(recipe)
        return
    try:
        _init(address=recipe.address, runtime_env={"env_vars": WORKER_ENVIRONMENT})
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            "address", [("", f"there is no Ray cluster at {recipe.address}: {error}")]
        ) from error


def _start_here(recipe: Recipe) -> None:
    environment = dict(WORKER_ENVIRONMENT)
    if recipe.parallel is not None or not _has_gpus():
        environment |= processes_started_ahead("progsearch.workers.preload")
    for tries_left in reversed(range(_START_TRIES)):
        try:
            # Ray's processes inherit it. A runtime_env would make it start others than those
            # that it prestarts.
            with _environment(environment), signals_kept_from_children():
                _init(
                    address="local",
                    num_cpus=recipe.parallel,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    include_dashboard=False,
                )
            return
        except Exception as error:
            # Ray gives its own processes 30 s, too little on a busy machine, and then raises
            # a bare Exception.
            ray.shutdown()
            if not tries_left:
                reason = str(error).strip().splitlines()[0]
                raise StudyError(
                    f"Ray did not start in {_START_TRIES} tries ({reason}); free memory and "
                    "processors of this machine and try again"
                ) from error


def _has_gpus() -> bool:
    """Whether this machine has a GPU that Ray would count; without loading torch."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


def _init(**settings: Any) -> None:
    ray.init(log_to_driver=False, logging_level="warning", **settings)


def _fit(recipe: Recipe) -> Machines:
    resources = ray.cluster_resources()
    cpus, gpus = int(resources.get("CPU", 1)), resources.get("GPU", 0.0)
    per_trial = recipe.gpus_per_trial
    if per_trial is None:
        per_trial = 1.0 if gpus else 0.0
    if per_trial > gpus:
        raise ConfigError(
            "gpus_per_trial", [("", f"{per_trial:g} GPUs were asked for and {gpus:g} are there")]
        )
    if recipe.max_gpu_hours is not None and not per_trial:
        raise ConfigError(
            "max_gpu_hours", [("", "this search uses no GPU; limit its time with --time instead")]
        )
    slots = min(cpus, int(gpus / per_trial)) if per_trial else cpus
    return Machines(recipe.parallel or max(1, slots), per_trial)
