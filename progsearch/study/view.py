"""What a search or a confirmation tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from progsearch.study.confirmed_runs import ConfirmedRun
    from progsearch.study.folder import StudyFolder
    from progsearch.study.results import Record
    from progsearch.study.trial import Trial

Ending = Literal["budget", "exhausted", "plateau", "time limit", "GPU hours", "interrupted"]
"""Why it ended: the budget is spent or all runs are done, the space has no schedule left that was
not tried, the last trials made the front no better, the time or the GPU hours are used up, or
someone stopped it."""


@dataclass(frozen=True)
class SearchGoal:
    """What a search is to train.

    Attributes:
        n_baselines: References that are still to be trained.
        budget: Whole trials that are left to search.
    """

    n_baselines: int
    budget: float


@dataclass(frozen=True)
class ConfirmGoal:
    """What a confirmation is to train.

    Attributes:
        seeds: The new seeds.
        n_schedules: Schedules that are wanted on each of them.
        n_left: Runs that are not there yet.
    """

    seeds: tuple[int, ...]
    n_schedules: int
    n_left: int


@dataclass(frozen=True)
class Run:
    """A run that a worker has or had.

    Attributes:
        trial: The trial as it stands now; of a confirmation, the one that is trained again.
        seed: The new seed of a confirmation; None in a search.
        kept: What came out of a run of a confirmation, once it has ended.
    """

    trial: Trial
    seed: int | None = None
    kept: ConfirmedRun | None = None

    @property
    def label(self) -> str:
        """The trial's label, and the seed if there is one."""
        return self.trial.label if self.seed is None else f"{self.trial.label}, seed {self.seed}"


class View:
    """A watcher of one search or confirmation; this one shows nothing.

    A subclass overrides what it wants to show. All methods are called from the process and the
    thread that runs the search, between trials, so they must return quickly.
    """

    def preparing(self, message: str) -> None:
        """It does ``message`` ("loading ...") before its first run."""

    def note(self, message: str) -> None:
        """The user should know ``message``, a sentence."""

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Runs begin."""

    def run_started(self, run: Run) -> None:
        """A worker took ``run``."""

    def record(self, run: Run, record: Record) -> None:
        """A run was evaluated before its end."""

    def run_ended(self, run: Run) -> None:
        """``run`` has its result, or the reason why it has none, and is saved."""

    def finished(self, ending: Ending) -> None:
        """No run is active any more and everything is saved."""
