"""One run, from its config to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np

from progsearch.config import Precision, RunConfig, plain
from progsearch.costs import RunCost
from progsearch.engine.ranks import Ranks
from progsearch.schedule import Schedule
from progsearch.store import Store
from progsearch.study.results import Chosen, Outcome, Record, Spent, Timings
from progsearch.tasks import Split
from progsearch.training.assembly import Parts, assemble
from progsearch.training.at_end import AtEnd
from progsearch.training.chain import SegmentChain
from progsearch.training.evaluator import Evaluator
from progsearch.training.together import lead


class TrainingRun:
    """Trains and evaluates one config; create it with `from_config`.

    During training the model may be incomplete: its token embedding may hold only the rows that
    the task needs. `finish` and the end of a ``with`` block restore the whole model.

    Args:
        parts: The parts of the run.
        store: The store to read segments from and add them to.
        test: Whether to evaluate on the task's labelled test data, if any, after the last step.

    Attributes:
        model: The model.
        tokenizer: The model's tokenizer.
        task: The data.
        device: The device that it trains on.

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
        at_end = AtEnd(parts.engine, parts.model, parts.tokenizer, parts.task, parts.config)
        self._evaluator = Evaluator(parts.engine, parts.task, at_end, test=test)
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
        threads: int | None = None,
        ranks: Ranks | None = None,
    ) -> Self:
        """The run of ``config``, with its task and its model loaded.

        Args:
            config: The complete config of the run; its ``costs`` and ``results`` are ignored. If
                its contribution sets ``rescore``, the blocks of later stages are chosen when they
                begin.
            device: The device to train on; by default the GPU, if there is one. That of
                ``ranks``, if they are given.
            store: The store to read segments from and add them to. If it holds the complete run,
                nothing is trained, and the model stays untrained until `catch_up`.
            prefix_cache: Whether the output of the frozen prefix is cached.
            test: Whether to evaluate on the task's labelled test data, if any, after the last
                step. A stored last segment without test metrics is trained again.
            threads: The most threads to train with on a CPU; by default those of torch. Fewer are
                used if the store then has so many of the steps that the run ends sooner.
            ranks: The processes that train the run together, of which this is the first; the
                others are in `follow`. Leave the ``with`` block or call `Ranks.dismiss` to free
                their memory.

        Raises:
            ProgsearchError: The model, the task or the schedule cannot be used, or do not fit.
            RankLost: One of the other processes has died.
        """
        started = time.perf_counter()
        if ranks is None:
            parts = assemble(
                config, device=device, store=store, prefix_cache=prefix_cache, threads=threads
            )
        else:
            parts = lead(ranks, config, store=store, prefix_cache=prefix_cache, threads=threads)
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
        """Train, and evaluate at the end of each epoch and stage.

        Raises:
            TrialFailed: The loss or the metric is not finite, or memory ran out.
            RankLost: Another process that trains the run has died.
        """
        for end in self._plan.ends():
            segment = self._chain.pass_to(end)
            yield Record(
                step=segment.step,
                fraction=segment.step / self.total_steps,
                epoch=segment.step / self._plan.steps_per_epoch,
                metrics=segment.metrics,
                seconds=self._timings.run,
                constant=bool(segment.constant),
            )
            self._blocks.choose(self._chain)

    def watch(self, on_step: Callable[[int], None]) -> None:
        """Have ``on_step`` called after each step that is trained, with the steps made so far."""
        self._engine.on_step = on_step

    def catch_up(self) -> None:
        """Bring the model to the end of the last record, which the store may have given.

        Raises:
            TrialFailed: As in `records`.
        """
        self._chain.catch_up()

    def finish(self) -> None:
        """Restore the whole model; it cannot be trained further. May be called again."""
        self._engine.finish()

    def evaluate(self, split: Split, precision: Precision | None = None) -> dict[str, float]:
        """The task's metrics of the current model on ``split``.

        Args:
            split: Labelled examples; before `finish`, only with tokens that occur in the task.
            precision: Precision of the forward passes; by default that of the training.
        """
        return self.task.evaluate(self.outputs(split, precision), split)

    def outputs(self, split: Split, precision: Precision | None = None) -> np.ndarray:
        """The outputs of the model in its current state on ``split``, as kept by the task.

        Args:
            split: As in `evaluate`.
            precision: As in `evaluate`.

        Returns:
            In the order of the split: shape ``(rows, ...)``, or ``(tokens, ...)`` without
            padding if `Split.keeps_tokens`.
        """
        return self._evaluator.outputs(split, precision)

    @property
    def schedule(self) -> Schedule:
        """The stages; the blocks of a stage that has not begun may still change."""
        return self._plan.schedule

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self._plan.total_steps

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch."""
        return self._plan.steps_per_epoch

    @property
    def stored_steps(self) -> int:
        """The first optimizer steps of the run that the store has."""
        return self._chain.stored_steps

    @property
    def cost(self) -> RunCost:
        """The cost of `schedule`."""
        training = self._config.training
        return self._model_cost.of(
            self.schedule, training.epochs, len(self.task.train), self.total_steps, training
        )

    @property
    def config(self) -> RunConfig:
        """The config that repeats this run, with the blocks that were chosen during training."""
        return self._blocks.trained_config(self._config)

    def spent(self) -> Spent:
        """The time, steps and memory used so far."""
        return Spent(
            timings=self._timings,
            steps_trained=self._chain.steps_trained,
            peak_memory=self._chain.last.peak_memory,
        )

    def result(self) -> Outcome:
        """The result of the run, after the last of `records`."""
        last, trained = self._chain.last, self.config
        return Outcome(
            metrics=last.metrics,
            spent=self.spent(),
            test_metrics=last.test_metrics if self._evaluator.tests else None,
            per_class=last.per_class,
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
