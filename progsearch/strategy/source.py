"""The source of trials: the contract between the search and what runs its trials.

Like the scheduler of Syne Tune (Salinas et al. 2022), a source knows nothing of the machine: Ray
Tune drives it through `progsearch.workers.adapter`, the tabular benchmark and tests by a loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto

from progsearch.config import RunConfig
from progsearch.study.results import Outcome, Record, Spent
from progsearch.study.view import Ending


@dataclass(frozen=True, eq=False)
class Assignment:
    """A run that a worker is to make; two are never equal, even of the same trial.

    Attributes:
        number: The number of the trial in its study.
        run: Its complete config.
        seeds: How many runs are made, with consecutive seeds that start at the config's.
        test: Whether each run is scored on test data at its end, if there are any.
    """

    number: int
    run: RunConfig
    seeds: int = 1
    test: bool = False


class Wait(Enum):
    """There is no run to hand out until an active one reports or ends."""

    WAIT = auto()


WAIT = Wait.WAIT


@dataclass(frozen=True)
class Ended:
    """No more runs will be handed out."""

    ending: Ending


class Decision(Enum):
    """Whether a measured run continues."""

    CONTINUE = auto()
    STOP = auto()


# -- what workers send -----------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """A run at the end of an epoch or a stage that is not its last."""

    record: Record
    spent: Spent


@dataclass(frozen=True)
class Finished:
    """A run that was trained to its end.

    Attributes:
        record: The last one.
        outcome: The result of the run.
    """

    record: Record
    outcome: Outcome


@dataclass(frozen=True)
class Failed:
    """A run that cannot continue, for a reason of its own.

    Attributes:
        reason: In words.
        memory: Whether there was too little memory, perhaps because of other runs.
    """

    reason: str
    memory: bool = False


Message = Progress | Finished | Failed
"""What a worker sends at the end of an epoch or a stage."""


@dataclass(frozen=True)
class Stopped:
    """A run that its source stopped after its last report."""


@dataclass(frozen=True)
class Lost:
    """A run whose worker is gone, with its machine, its Ray or by a signal from outside.

    Attributes:
        reason: In words; begins with `progsearch.study.trial.LOST`.
    """

    reason: str


MOST_RETRIES = 3
"""How often a run is made again if its worker is lost each time."""

# -- the contract ----------------------------------------------------------------------------


class TrialSource(ABC):
    """Hands out runs, is told how they go, and keeps their results.

    All methods are called from one thread. Every assignment that `next` gave is followed by any
    number of calls of `report` and one of `ended`, or by none if all work is interrupted; `close`
    is the last call.
    """

    @abstractmethod
    def next(self) -> Assignment | Wait | Ended:
        """The next run; to be asked again after `WAIT`, not after `Ended`."""

    @abstractmethod
    def report(self, assignment: Assignment, progress: Progress) -> Decision:
        """A run was measured before its end; says whether it continues.

        After `Decision.STOP`, `ended` is called with `Stopped`.
        """

    @abstractmethod
    def ended(self, assignment: Assignment, how: Finished | Failed | Stopped | Lost) -> None:
        """A run ended by itself, was stopped or was lost.

        A lost run is handed out again, as a new assignment, up to `MOST_RETRIES` times. One that
        had too little memory beside others is handed out once more, alone.
        """

    def close(self) -> None:
        """No run is active any more; those that have not ended were interrupted."""
        return
