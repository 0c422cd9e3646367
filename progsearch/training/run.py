"""One run, from its config to its result."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from progsearch.config import Precision, RunConfig, plain
from progsearch.costs import RunCost
from progsearch.schedule import Schedule
from progsearch.store import Store
from progsearch.study.results import Chosen, Outcome, Record, Spent, Timings
from progsearch.tasks import Split
from progsearch.training.assembly import Parts, assemble
from progsearch.training.chain import SegmentChain
from progsearch.training.evaluator import Evaluator


class TrainingRun:
    """Trains and evaluates one config; make it with `from_config`.

    While it trains, its model may hold less than a whole one, such as the task's rows of the
    token embedding. `finish` makes it whole, and so does the end of a ``with``.

    Args:
        parts: What the run is made of.
        store: Trained segments to start from and to add to.
        test: Whether the task's labelled test data, if it has any, is scored after the last step.

    Attributes:
        model: The model.
        tokenizer: The model's.
        task: The data.
        device: Where it trains.

    Example:
        >>> with TrainingRun.from_config(config) as run:  # doctest: +SKIP
        ...     for record in run.records():
        ...         print(record.epoch, record.metrics)
        >>> run.result().metrics
    """

    def __init__(self, parts: Parts, *, store: Store | None = None, test: bool = False) -> None:
        self._config = parts.config
        self.model = parts.model
        self.tokenizer = parts.tokenizer
        self.task = parts.task
        self.device = parts.device
        self._plan = parts.plan
        self._engine = parts.engine
        self._blocks = parts.blocks
        self._model_cost = parts.cost
        self._evaluator = Evaluator(parts.engine, parts.task, test=test)
        self._chain = SegmentChain(
            parts.engine, parts.lineage, self._evaluator, parts.task.metric, store
        )
        self._setup_seconds = 0.0

    @classmethod
    def from_config(
        cls,
        config: RunConfig,
        *,
        device: str | None = None,
        store: Store | None = None,
        prefix_cache: bool = True,
        test: bool = False,
    ) -> Self:
        """The run of ``config``, with its task and its model loaded.

        Args:
            config: The run, whole; its ``costs`` and ``results`` are not read. If its
                contribution says ``rescore``, the blocks of later stages are chosen when they
                begin.
            device: Where to train; by default the GPU, if there is one.
            store: Trained segments to start from and to add to. A run that is found there whole
                is not trained at all, so its model stays untrained: leave it out to get the
                model.
            prefix_cache: Whether the output of frozen blocks is kept.
            test: Whether the task's labelled test data, if it has any, is scored after the last
                step. A stored end of the run without that score is trained again.

        Raises:
            ProgsearchError: The model, the task or the schedule cannot be used, or do not fit.
        """
        started = time.perf_counter()
        parts = assemble(config, device=device, store=store, prefix_cache=prefix_cache)
        run = cls(parts, store=store, test=test)
        run._setup_seconds = time.perf_counter() - started
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()

    def records(self) -> Iterator[Record]:
        """Train from one end of an epoch or a stage to the next, and evaluate there.

        Raises:
            TrialFailed: The loss or the metric is not finite, or memory ran out.
        """
        for end in self._plan.ends():
            segment = self._chain.pass_to(end)
            yield Record(
                step=segment.step,
                fraction=segment.step / self.total_steps,
                epoch=segment.step / self._plan.steps_per_epoch,
                metrics=segment.metrics,
                seconds=self._timings.run,
            )
            self._blocks.choose(self._chain)

    def finish(self) -> None:
        """Make the model whole; it is not trained further. May be called again."""
        self._engine.finish()

    def evaluate(self, split: Split, precision: Precision | None = None) -> dict[str, float]:
        """The task's metrics of the model as it is now on ``split``.

        Args:
            split: Labelled examples; of tokens that the task's data hold until `finish`.
            precision: Of the forward passes; by default the training's.
        """
        return self.task.evaluate(self.outputs(split, precision), split)

    def outputs(self, split: Split, precision: Precision | None = None) -> np.ndarray:
        """What the task keeps of the outputs of the model as it is now on ``split``.

        Args:
            split: As in `evaluate`.
            precision: As in `evaluate`.

        Returns:
            In the order of the split: shape ``(rows, ...)``, or ``(tokens, ...)`` without
            padding if targets are per token.
        """
        return self._evaluator.outputs(split, precision)

    @property
    def schedule(self) -> Schedule:
        """The stages; the blocks of one that has not begun may still change."""
        return self._plan.schedule

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self._plan.total_steps

    @property
    def cost(self) -> RunCost:
        """What `schedule` costs."""
        return self._model_cost.of(
            self.schedule, self._config.training.epochs, len(self.task.train), self.total_steps
        )

    @property
    def config(self) -> RunConfig:
        """The config that trains the same again, with the blocks that were chosen on the way."""
        return self._blocks.trained_config(self._config)

    def spent(self) -> Spent:
        """What the run has used so far."""
        return Spent(
            timings=self._timings,
            steps_trained=self._chain.steps_trained,
            peak_memory=self._chain.last.peak_memory,
        )

    def result(self) -> Outcome:
        """What the run came to, once the last of `records` was made."""
        last, trained = self._chain.last, self.config
        return Outcome(
            metrics=last.metrics,
            spent=self.spent(),
            test_metrics=last.test_metrics if self._evaluator.tests else None,
            chosen=None
            if trained == self._config
            else Chosen(self.schedule.to_dicts(), plain(trained), self.cost.to_dict()),
        )

    @property
    def _timings(self) -> Timings:
        last = self._chain.last
        trained = Timings(
            setup=self._setup_seconds,
            train=last.train_seconds,
            evaluate=last.evaluate_seconds,
            saved=self._chain.saved_seconds,
        )
        return trained + Timings(train=self._blocks.seconds, saved=self._blocks.saved)
