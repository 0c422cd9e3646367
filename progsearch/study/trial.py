"""Trials of a study; the only module that reads their attributes in Optuna.

`progsearch.study.new_trials` writes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from progsearch.config import Limits, RunConfig, parse
from progsearch.schedule import Schedule
from progsearch.schedule.run_cost import RunCost
from progsearch.study.results import ClassScores, Record, Timings, mean_scores

INTERRUPTED = "interrupted"
"""Reason of a trial whose search was stopped; another trial runs it again."""

LOST = "the worker process died"
"""How the reason of a trial begins whose worker was lost, with its machine or by a signal."""

STOPPED = "stopped by the scheduler"
"""Reason of a trial that a judge stopped before its end; Optuna's state is PRUNED."""

STOPPED_EARLY, WAITING = "stopped early", "waiting for other learning rates"
RUN_AGAIN = "run again"
OUTCOMES = ("done", "running", WAITING, STOPPED_EARLY, "failed", RUN_AGAIN, INTERRUPTED)
"""How a trial can stand, in words; one that waits is a run of a reference. What is run again lost
its worker or had too little memory beside others."""

FULL, PAPER = "full", "progtuning-3"
"""Names of the references for comparisons: full fine-tuning, and the paper's schedule of 3
stages."""


@dataclass(frozen=True)
class Plan:
    """The plan of a trial, known before it starts.

    Attributes:
        schedule: Its stages.
        run: Its complete config.
        costs: Its costs.
        key: Equal for trials that train the same.
        segments: End step and key of each segment; equal keys mean the same work.
        segment_flops: FLOPs of each segment.
    """

    schedule: Schedule
    run: RunConfig
    costs: RunCost
    key: str
    segments: tuple[tuple[int, str], ...]
    segment_flops: tuple[float, ...]


@dataclass(frozen=True)
class Estimate:
    """What is known of a trial's metric from all trials of its study.

    Attributes:
        mean: The expected mean over seeds.
        error: The standard error of that.
    """

    mean: float
    error: float


class Trial:
    """One trial, as stored in the study: its first run.

    Runs of it with other seeds are trials of their own in Optuna, which name it (`repeats`).

    Attributes:
        frozen: The trial in Optuna.
        estimate: Its metric as the search estimates it; None while too little is known.
        repeated: Its runs with other seeds that have a result.
        objectives: The names of its values; without them, all but the first are the same for all
            of its runs.
    """

    def __init__(
        self,
        frozen: FrozenTrial,
        estimate: Estimate | None = None,
        repeated: Sequence[Trial] = (),
        objectives: Sequence[str] = (),
    ) -> None:
        self.frozen = frozen
        self.estimate = estimate
        self.repeated = tuple(repeated)
        self._objectives = tuple(objectives)
        self._attributes: Mapping[str, Any] = frozen.user_attrs

    def __repr__(self) -> str:
        return f"Trial({self.number}, {self.state.name})"

    # -- from Optuna -------------------------------------------------------------------------

    @property
    def number(self) -> int:
        """Its number in the study."""
        return self.frozen.number

    @property
    def state(self) -> TrialState:
        """Optuna's state."""
        return self.frozen.state

    @property
    def params(self) -> dict[str, Any]:
        """The sampled parameters; empty for references."""
        return self.frozen.params

    @property
    def values(self) -> list[float]:
        """The objectives, the metric first; only if it `is_complete`.

        The metric is the `estimate`, else the mean over its runs, and so is forgetting; other
        costs that are measured are those of the first run.
        """
        costs = self.frozen.values[1:]
        if "forgetting" in self._objectives:
            at = self._objectives.index("forgetting")
            runs = (self, *self.repeated)
            costs[at - 1] = fmean(run.frozen.values[at] for run in runs)
        if self.estimate is not None:
            return [self.estimate.mean, *costs]
        return [fmean(run.measured for run in (self, *self.repeated)), *costs]

    @property
    def measured(self) -> float:
        """The metric of this run alone; only if it `is_complete`."""
        return float(self.frozen.values[0])

    @property
    def started(self) -> datetime | None:
        """When it was given to a worker."""
        return self.frozen.datetime_start

    @property
    def is_running(self) -> bool:
        """Whether a worker runs it, or ran it when the search was killed."""
        return self.state == TrialState.RUNNING

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, in any way."""
        return self.state.is_finished()

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to its end and has values."""
        return self.state == TrialState.COMPLETE

    @property
    def is_usable(self) -> bool:
        """Whether it is complete and all its values are finite."""
        return self.is_complete and all(map(math.isfinite, self.values))

    @property
    def is_stopped(self) -> bool:
        """Whether a judge stopped it before its end."""
        return self.state == TrialState.PRUNED

    @property
    def is_interrupted(self) -> bool:
        """Whether another trial runs it again, because its end says nothing about its schedule.

        It ended with its search, lost its worker or had too little memory beside others.
        """
        again = self._attributes.get("run_again", self.is_lost)
        return self.state == TrialState.FAIL and (self.reason == INTERRUPTED or again)

    @property
    def is_lost(self) -> bool:
        """Whether it ended with its worker; if it `is_failed`, so did those before it."""
        return self.state == TrialState.FAIL and (self.reason or "").startswith(LOST)

    @property
    def is_failed(self) -> bool:
        """Whether it failed for a reason of its own."""
        return self.state == TrialState.FAIL and not self.is_interrupted

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`, as far as the trial alone tells it."""
        if self.is_complete:
            return "done"
        if self.is_stopped:
            return STOPPED_EARLY
        if self.is_interrupted:
            return INTERRUPTED if self.reason == INTERRUPTED else RUN_AGAIN
        return "failed" if self.is_failed else "running"

    # -- kind of trial -----------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """The name of a reference; None for a searched trial."""
        return self._attributes.get("name")

    @property
    def is_baseline(self) -> bool:
        """Whether it is a reference, which every study trains."""
        return self.name is not None

    @property
    def label(self) -> str:
        """The name of a reference, or the trial's number: ``#7``."""
        return self.name or f"#{self.number}"

    @property
    def continues(self) -> int | None:
        """The number of the stopped trial that it continues."""
        return self._attributes.get("continues")

    @property
    def retry_of(self) -> int | None:
        """The number of the interrupted trial that it runs again."""
        return self._attributes.get("retry_of")

    @property
    def tries(self) -> int:
        """1, or more if it was run again because workers were lost or memory was short."""
        return int(self._attributes.get("tries", 1))

    @property
    def is_alone(self) -> bool:
        """Whether nothing may run beside it, since memory was short."""
        return bool(self._attributes.get("alone"))

    @property
    def repeats(self) -> int | None:
        """The number of the trial that it runs again with another seed."""
        return self._attributes.get("repeats")

    @property
    def is_searched(self) -> bool:
        """Whether it was sampled: it continues and repeats no other, and was not interrupted."""
        follows = self.continues is not None or self.repeats is not None
        return not (self.is_baseline or follows or self.is_interrupted)

    # -- its plan ----------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """Equal for trials that train the same."""
        return str(self._attributes["key"])

    @cached_property
    def run(self) -> RunConfig:
        """Its complete config."""
        return parse(RunConfig, self._attributes["run"], f"trial {self.number}")

    @property
    def stages(self) -> list[dict[str, Any]]:
        """Its stages, as returned by `Schedule.to_dicts`."""
        stages: list[dict[str, Any]] = self._attributes["schedule"]
        return stages

    @cached_property
    def costs(self) -> RunCost:
        """Its costs."""
        return RunCost(**self._attributes["costs"])

    @property
    def updated_parameters(self) -> float:
        """Updated parameters as a fraction of full fine-tuning's."""
        return float(self._attributes["costs"]["updated_parameters"])

    @cached_property
    def segments(self) -> tuple[tuple[int, str], ...]:
        """End step and key of each segment."""
        return tuple((end, key) for end, key in self._attributes["segments"])

    @property
    def segment_flops(self) -> list[float]:
        """FLOPs of each segment."""
        return list(self._attributes["segment_flops"])

    # -- its results -------------------------------------------------------------------------

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """Its measurements; stored when it ends."""
        return tuple(map(Record.from_dict, self._attributes.get("records") or ()))

    @property
    def metrics(self) -> dict[str, float]:
        """The task's metrics after its last step; empty without a result."""
        return dict(self._attributes.get("metrics", {}))

    def mean_of(self, name: str) -> float | None:
        """The mean of one of the task's metrics over its runs; None if a run lacks it."""
        found = [run.metrics.get(name) for run in (self, *self.repeated)]
        values = [value for value in found if value is not None]
        return fmean(values) if len(values) == len(found) else None

    @property
    def per_class(self) -> ClassScores | None:
        """The mean scores of each class over its runs; None if no run has them."""
        return mean_scores(run._attributes.get("per_class") for run in (self, *self.repeated))

    @property
    def n_seeds(self) -> int:
        """The number of seeds that it was trained with."""
        own = len(self._attributes.get("seeds", [1]))
        return own + sum(run.n_seeds for run in self.repeated)

    @cached_property
    def timings(self) -> Timings | None:
        """Seconds by kind of work; None if they are not known."""
        found = self._attributes.get("timings")
        return None if found is None else Timings(**found)

    @property
    def seconds(self) -> float:
        """Seconds of training and evaluation; only for a trial with `timings`."""
        assert self.timings is not None, "a trial with a result has timings"
        return self.timings.run

    @property
    def steps_trained(self) -> int | None:
        """Optimizer steps that it made itself; None if it is not known."""
        return self._attributes.get("steps_trained")

    @property
    def peak_memory(self) -> int:
        """Measured peak memory in bytes; 0 if it is not known."""
        return int(self._attributes.get("peak_memory", 0))

    @property
    def reason(self) -> str | None:
        """Why it has no result."""
        return self._attributes.get("reason")

    @property
    def is_constant(self) -> bool:
        """Whether all its predictions were the same when it was last evaluated."""
        return bool(self.records) and self.records[-1].constant

    @property
    def reach(self) -> float:
        """The fraction of its run that it has trained or will train."""
        # A stopped trial without records counts in full, so that every search ends.
        return self.records[-1].fraction if self.is_stopped and self.records else 1.0

    def keeps_to(self, limits: Limits) -> bool:
        """Whether a trial with values is within all limits."""
        return limits.allow(self.values[0], self.costs)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data; only references have a ``name``."""
        attributes = dict(self._attributes)
        return {
            "number": self.number,
            "state": self.state.name,
            **({} if self.name is None else {"name": self.name}),
            "params": self.params,
            "schedule": attributes.get("schedule"),
            "values": self.values if self.is_complete else None,
            "standard_error": self.estimate and self.estimate.error,
            "seeds": self.n_seeds if self.is_complete else None,
            "user_attrs": attributes,
        }


def numbered(trials: Iterable[Trial]) -> dict[int, Trial]:
    """Trials by number."""
    return {trial.number: trial for trial in trials}
