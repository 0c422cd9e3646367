"""Trains one config with several seeds and reports the means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean

from progsearch.config import RunConfig
from progsearch.costs import RunCost
from progsearch.errors import TrialFailed
from progsearch.schedule import Schedule
from progsearch.study.results import Outcome, Record, Spent, Timings, mean_scores
from progsearch.training.run import TrainingRun


class SeedMean:
    """Runs that differ only in their seed, trained in turn up to each record.

    So every record is a mean over all seeds, and a judge that may stop the trial sees all of
    them. All models are in memory at once. This is a `Run` too: metrics are means; timings and
    steps are sums; memory is the maximum over the runs. Schedule, costs and config are those of
    the first run. If the runs choose blocks during training, each chooses its own.

    Args:
        runs: The runs, not yet started; at least one.
    """

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        self._runs = runs

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
        """The cost of the first run; n runs cost n times that."""
        return self._runs[0].cost

    @property
    def config(self) -> RunConfig:
        """The config that repeats the first run."""
        return self._runs[0].config

    def records(self) -> Iterator[Record]:
        """Train like a single run; a record holds mean metrics and the seconds of all runs.

        It is constant if the predictions of any run are: its mean then mixes a collapsed run
        with others and describes neither.

        Raises:
            TrialFailed: One of the runs cannot continue.
        """
        for records in zip(*(_with_seed_named(run) for run in self._runs), strict=True):
            first = records[0]
            yield Record(
                step=first.step,
                fraction=first.fraction,
                epoch=first.epoch,
                metrics=_means([record.metrics for record in records]),
                seconds=sum(record.seconds for record in records),
                constant=any(record.constant for record in records),
            )

    def finish(self) -> None:
        """Restore the whole models of all runs."""
        for run in self._runs:
            run.finish()

    def spent(self) -> Spent:
        """The time, steps and memory that all runs have used so far."""
        spent = [run.spent() for run in self._runs]
        return Spent(
            timings=sum((one.timings for one in spent), Timings()),
            steps_trained=sum(one.steps_trained for one in spent),
            peak_memory=max(one.peak_memory for one in spent),
        )

    def result(self) -> Outcome:
        """The result of the runs, after the last of `records`."""
        results = [run.result() for run in self._runs]
        seeds = tuple(result.metrics for result in results)
        return Outcome(
            metrics=_means(seeds),
            spent=self.spent(),
            seeds=seeds,
            per_class=mean_scores(result.per_class for result in results),
            chosen=results[0].chosen,
        )


def _with_seed_named(run: TrainingRun) -> Iterator[Record]:
    try:
        yield from run.records()
    except TrialFailed as error:
        raise type(error)(f"with seed {run.config.training.seed}: {error}") from error


def _means(metrics: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: mean(m[name] for m in metrics) for name in metrics[0]}
