"""The interface through which a search or a confirmation reports its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from progsearch.study.confirmed_runs import ConfirmedRun
    from progsearch.study.folder import StudyFolder
    from progsearch.study.results import Record
    from progsearch.study.trial import Trial

Ending = Literal["budget", "exhausted", "plateau", "time limit", "GPU hours", "interrupted"]
"""Why it ended: the budget is spent or all runs are done, all schedules of the space were tried,
the last trials did not improve the front, the time or the GPU hours are used up, or the user
stopped it."""


@dataclass(frozen=True)
class SearchGoal:
    """What a search will train.

    Attributes:
        n_baselines: Number of references that are still to be tuned.
        baseline_work: What that takes, in whole trials.
        budget: The remaining budget, in whole trials.
        n_repeats: Number of runs of tuned references with other seeds, as far as they are known.
    """

    n_baselines: int
    baseline_work: float
    budget: float
    n_repeats: int = 0


@dataclass(frozen=True)
class ConfirmGoal:
    """What a confirmation will train.

    Attributes:
        seeds: The new seeds.
        n_schedules: Number of schedules to train with each seed.
        n_left: Number of runs that are still to be trained.
    """

    seeds: tuple[int, ...]
    n_schedules: int
    n_left: int


@dataclass(frozen=True)
class Run:
    """A run that a worker trains or has trained.

    Attributes:
        trial: The current trial; in a confirmation, the one that is trained again.
        seed: The new seed in a confirmation; None in a search.
        kept: The result of a run of a confirmation, once it has ended.
    """

    trial: Trial
    seed: int | None = None
    kept: ConfirmedRun | None = None

    @property
    def label(self) -> str:
        """The trial's label, and the seed if there is one."""
        return self.trial.label if self.seed is None else f"{self.trial.label}, seed {self.seed}"


class View:
    """Shows the progress of one search or confirmation; this base class shows nothing.

    Subclasses override methods. All methods are called in the process and thread that run the
    search, between trials, so they must return quickly.
    """

    def preparing(self, message: str) -> None:
        """A preparation before the first run starts; ``message`` names it ("loading ...")."""

    def step(self, message: str) -> None:
        """A part of the present preparation begins ("reading the data ...")."""

    def note(self, message: str) -> None:
        """Show ``message``, a sentence for the user."""

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """The runs begin."""

    def run_started(self, run: Run) -> None:
        """A worker started ``run``."""

    def record(self, run: Run, record: Record) -> None:
        """A run was evaluated; it has not ended yet."""

    def run_ended(self, run: Run) -> None:
        """``run`` has ended with a result or a reason, and is saved."""

    def finished(self, ending: Ending) -> None:
        """No run is active, and everything is saved."""
