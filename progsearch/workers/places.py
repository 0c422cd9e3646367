"""How many trials fit into the processors and GPUs of the machines, and how each is placed.

Functions of what the machines have; without Ray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from progsearch.config import Recipe
from progsearch.errors import ConfigError

Strategy = Literal["STRICT_PACK", "PACK"]
"""Ray's: all processes of a trial on one machine, or on as few as possible."""


@dataclass(frozen=True)
class Places:
    """The places for trials on the machines.

    Attributes:
        parallel: The number of trials that fit.
        gpus_per_trial: The number of GPUs per trial; a fraction if several share one.
        ranks: The number of processes per trial; on GPUs each has one.
        strategy: How the processes of a trial are placed.
    """

    parallel: int
    gpus_per_trial: float
    ranks: int = 1
    strategy: Strategy = "STRICT_PACK"


def places(recipe: Recipe, nodes: Sequence[Mapping[str, float]]) -> Places:
    """The places that the recipe's trials have.

    Args:
        recipe: Says what each trial gets.
        nodes: What each machine has of ``CPU`` and ``GPU``.

    Raises:
        ConfigError: No trial fits, or the recipe's settings are impossible there.
    """
    gpus = sum(node.get("GPU", 0.0) for node in nodes)
    per_trial, ranks = recipe.gpus_per_trial, recipe.ranks_per_trial
    if per_trial is None:
        per_trial = 1.0 if gpus else 0.0
    if per_trial > gpus:
        raise ConfigError(
            "--gpus-per-trial", [("", f"{per_trial:g} GPUs were asked for and {gpus:g} are there")]
        )
    if recipe.max_gpu_hours is not None and not per_trial:
        raise ConfigError(
            "--max-gpu-hours",
            [("", "this search uses no GPU; limit its time with --time instead")],
        )
    if ranks == 1:
        cpus = int(sum(node.get("CPU", 0.0) for node in nodes))
        slots = min(cpus, int(gpus / per_trial)) if per_trial else cpus
        return Places(recipe.parallel or max(1, slots), per_trial)
    if per_trial and not recipe.gpus_per_trial:
        raise ConfigError("--processes-per-trial", [("", without_gpus(int(gpus)))])
    # How many processes each machine has room for, with a processor and perhaps a GPU each.
    rooms = [
        int(min(node.get("CPU", 0.0), node.get("GPU", 0.0) if per_trial else node.get("CPU", 0.0)))
        for node in nodes
    ]
    together = sum(room // ranks for room in rooms)
    if together:
        return Places(recipe.parallel or together, per_trial, ranks, "STRICT_PACK")
    if sum(rooms) < ranks:
        what = "GPUs, each with a processor," if per_trial else "processors"
        raise ConfigError(
            option_of_ranks(recipe),
            [("", f"{ranks} {what} were asked for and {sum(rooms)} are there")],
        )
    return Places(recipe.parallel or sum(rooms) // ranks, per_trial, ranks, "PACK")


def without_gpus(gpus: int) -> str:
    """Why several processes for each trial are refused."""
    return (
        f"it is for searches without GPUs, and there are {gpus}; give --gpus-per-trial 0, too, or "
        "--gpus-per-trial 2 alone, which trains each trial on two GPUs"
    )


def option_of_ranks(recipe: Recipe) -> str:
    """The option that gives each trial several processes."""
    return "--gpus-per-trial" if recipe.gpus_per_trial else "--processes-per-trial"
