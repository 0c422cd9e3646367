"""What every run promises, be it of one seed or the mean of several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from progsearch.config import RunConfig
from progsearch.costs import RunCost
from progsearch.schedule import Schedule
from progsearch.study.results import Outcome, Record, Spent


class Run(Protocol):
    """A training that is made from one record to the next."""

    @property
    def schedule(self) -> Schedule:
        """The stages; the blocks of one that has not begun may still change."""

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""

    @property
    def cost(self) -> RunCost:
        """What `schedule` costs."""

    @property
    def config(self) -> RunConfig:
        """The config that trains the same again, with the blocks that were chosen on the way."""

    def records(self) -> Iterator[Record]:
        """Train from one end of an epoch or a stage to the next, and evaluate there.

        Raises:
            TrialFailed: The run cannot go on.
        """

    def finish(self) -> None:
        """Leave the model whole; it is not trained further. May be called again."""

    def spent(self) -> Spent:
        """What the run has used so far."""

    def result(self) -> Outcome:
        """What the run came to, once the last of `records` was made."""
