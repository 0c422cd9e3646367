"""One run made with several seeds, as their mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

from progsearch.config import RunConfig
from progsearch.costs import RunCost
from progsearch.errors import TrialFailed
from progsearch.schedule import Schedule
from progsearch.training.run import Record, RunResult, TrainingRun


class SeedMean:
    """Runs that differ only in their seed, trained in turn from one record to the next.

    So every record is a mean as soon as it is made, and whoever judges a trial before its
    end judges all its seeds. All models are in memory at once. Stands in for a `TrainingRun`:
    metrics are means; timings and steps are sums; memory is the most that any run saw.
    Schedule, costs and config are those of the first run. Where runs choose blocks on the way,
    each chooses its own.

    Args:
        runs: The runs, not begun; at least one.
    """

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        self._runs = runs
        self._records: list[Record] = []

    @property
    def total_steps(self) -> int:
        """Optimizer steps of each run."""
        return self._runs[0].total_steps

    @property
    def schedule(self) -> Schedule:
        """The first run's stages."""
        return self._runs[0].schedule

    @property
    def cost(self) -> RunCost:
        """What the first run costs; several cost as many times that."""
        return self._runs[0].cost

    @property
    def config(self) -> RunConfig:
        """The config that trains the first run again."""
        return self._runs[0].config

    def records(self) -> Iterator[Record]:
        """Train as one run does; a record holds mean metrics and the seconds of all runs.

        Raises:
            TrialFailed: One of the runs cannot go on.
        """
        for records in zip(*(_with_seed_named(run) for run in self._runs), strict=True):
            first = records[0]
            record = Record(
                step=first.step,
                fraction=first.fraction,
                epoch=first.epoch,
                metrics=_means([record.metrics for record in records]),
                seconds=sum(record.seconds for record in records),
            )
            self._records.append(record)
            yield record

    def spent(self) -> dict[str, Any]:
        """As `TrainingRun.spent`, for all runs together."""
        spent = [run.spent() for run in self._runs]
        timings: Counter[str] = Counter()
        for one in spent:
            timings.update(one["timings"])
        return {
            "timings": dict(timings),
            "steps_trained": sum(one["steps_trained"] for one in spent),
            "peak_memory": max(one["peak_memory"] for one in spent),
        }

    def result(self) -> RunResult:
        """The result, once `records` is exhausted."""
        seeds = tuple(run.result().metrics for run in self._runs)
        return RunResult(
            metrics=_means(seeds),
            records=tuple(self._records),
            cost=self.cost,
            test_metrics=None,
            seeds=seeds,
            **self.spent(),
        )


def _with_seed_named(run: TrainingRun) -> Iterator[Record]:
    try:
        yield from run.records()
    except TrialFailed as error:
        raise TrialFailed(f"with seed {run.config.training.seed}: {error}") from error


def _means(metrics: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: mean(m[name] for m in metrics) for name in metrics[0]}
