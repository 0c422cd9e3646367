"""What each trial gets of the machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from progsearch.errors import ConfigError

if TYPE_CHECKING:
    from progsearch.config.recipe import Recipe


def share_or_whole(gpus: float | None) -> float | None:
    """The GPUs of a trial.

    Raises:
        ValueError: They are neither a share of one nor a whole number.
    """
    if gpus is None:
        return None
    is_number = isinstance(gpus, int | float) and not isinstance(gpus, bool)
    if is_number and (0 <= gpus <= 1 or (gpus > 1 and float(gpus).is_integer())):
        return gpus
    raise ValueError("must be a share of a GPU, from 0 to 1, or a whole number of GPUs")


def check_ranks(gpus: float | None, processes: int | None, batch_size: int) -> None:
    """Check the processes that train each trial.

    Raises:
        ValueError: They are asked for beside GPUs, each of which has a process anyway, or a batch
            has too few rows for them.
    """
    if gpus and (processes or 1) > 1:
        raise ValueError(
            f"{processes} processes for each trial are for searches without GPUs; on GPUs, "
            "--gpus-per-trial 2 trains each trial on two of them, with a process for each"
        )
    ranks = ranks_of(gpus, processes)
    if batch_size < ranks:
        raise ValueError(
            f"{ranks} processes cannot share batches of {batch_size}; give at most {batch_size} "
            "of them to each trial, or a larger --batch-size"
        )


def ranks_of(gpus: float | None, processes: int | None) -> int:
    """The number of processes that train one trial together; on GPUs, each has one."""
    return int(gpus) if gpus and gpus > 1 else processes or 1


@dataclass(frozen=True)
class Resources:
    """What a command gives the trials of an existing study; None: as the study has it.

    Attributes:
        parallel: Trials at once.
        gpus_per_trial: The GPUs of each trial, as in a recipe.
        processes_per_trial: The processes of each trial without GPUs, as in a recipe.
    """

    parallel: int | None = None
    gpus_per_trial: float | None = None
    processes_per_trial: int | None = None

    def of(self, recipe: Recipe) -> Recipe:
        """The recipe with them.

        Raises:
            ConfigError: They are impossible together.
        """
        gpus, processes = self.gpus_per_trial, self.processes_per_trial
        if gpus is None and processes is None:
            gpus, processes = recipe.gpus_per_trial, recipe.processes_per_trial
        elif gpus is None and recipe.gpus_per_trial == 0:
            gpus = 0.0
        try:
            check_ranks(gpus, processes, recipe.training.batch_size)
        except ValueError as error:
            raise ConfigError("--processes-per-trial", [("", str(error))]) from None
        return recipe.model_copy(
            update={
                "parallel": self.parallel or recipe.parallel,
                "gpus_per_trial": gpus,
                "processes_per_trial": processes,
            }
        )
