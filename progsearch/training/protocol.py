"""The interface of a run, of one seed or as the mean of several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from progsearch.config import RunConfig
from progsearch.costs import RunCost
from progsearch.schedule import Schedule
from progsearch.study.results import Outcome, Record, Spent


class Run(Protocol):
    """A run that trains and evaluates step by step; see `records`."""

    @property
    def schedule(self) -> Schedule:
        """The stages; the blocks of a stage that has not begun may still change."""

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""

    @property
    def cost(self) -> RunCost:
        """The cost of `schedule`."""

    @property
    def config(self) -> RunConfig:
        """The config that repeats this run, with the blocks that were chosen during training."""

    def records(self) -> Iterator[Record]:
        """Train, and evaluate at the end of each epoch and stage.

        Raises:
            TrialFailed: The run cannot continue.
        """

    def finish(self) -> None:
        """Restore the whole model; it cannot be trained further. May be called again."""

    def spent(self) -> Spent:
        """The time, steps and memory used so far."""

    def result(self) -> Outcome:
        """The result of the run, after the last of `records`."""
