"""One run, from its config to its result."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from progsearch.config import Precision, RunConfig, StageConfig
from progsearch.costs import RunCost, steps_per_epoch
from progsearch.engine.loop import Engine
from progsearch.engine.precision import arithmetic, resolve_precision
from progsearch.engine.shortcuts.occurring_rows import keep_occurring_rows, token_embedding
from progsearch.errors import TrialFailed
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.loading import load_model, load_tokenizer, model_fingerprint
from progsearch.schedule import Schedule, Stage
from progsearch.schedule.history import Lineage, segment_ends
from progsearch.store import Store
from progsearch.tasks import Split, load_task
from progsearch.training.model_costs import describe
from progsearch.training.rescoring import Rescoring
from progsearch.training.segments import (
    ENVIRONMENT,
    Segment,
    get_segment,
    load_chain,
    put_segment,
)


@dataclass(frozen=True)
class Record:
    """The state of a run at the end of an epoch or a stage.

    Attributes:
        step: Optimizer steps made.
        fraction: The same as a fraction of the run.
        epoch: Epochs done; where a stage ends within one, a fraction of it counts, too.
        metrics: The task's metrics on its validation data.
        seconds: Seconds of training and evaluation so far, those of reused segments included.
    """

    step: int
    fraction: float
    epoch: float
    metrics: dict[str, float]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


@dataclass(frozen=True)
class RunResult:
    """What a finished run gives.

    Attributes:
        metrics: The task's metrics on its validation data after the last step.
        records: One record per end of an epoch or a stage.
        timings: Seconds by kind of work: ``setup``; ``train`` (scoring blocks between stages
            included) and ``evaluate``, what reused work once took included; ``saved``, the part
            of them that reuse saved.
        steps_trained: Optimizer steps that this run made itself; the others were reused.
        peak_memory: Bytes: allocated on the GPU, or in use by the process on a CPU.
        cost: What the schedule costs.
        test_metrics: The task's metrics on its test data, where the run was to score it.
        seeds: The metrics of each run, where this is the mean of several; see `SeedMean`.
    """

    metrics: dict[str, float]
    records: tuple[Record, ...]
    timings: dict[str, float]
    steps_trained: int
    peak_memory: int
    cost: RunCost
    test_metrics: dict[str, float] | None
    seeds: tuple[dict[str, float], ...] | None = None


class TrainingRun:
    """Trains and evaluates one config.

    Args:
        config: The run, whole; its ``costs`` and ``results`` are not read. Where its contribution
            says ``rescore``, the blocks of later stages are chosen when they begin.
        device: Where to train; by default the GPU, where there is one.
        store: Trained segments to start from and to add to. A run that is found there whole is
            not trained at all, so its model stays untrained: leave it out to get the model.
        prefix_cache: Whether the output of frozen blocks is kept.
        test: Whether the task's labelled test data, where it has any, is scored after the last
            step. A stored end of the run without that score is trained again.

    Attributes:
        model: The model. Until `records` is exhausted, its token embedding may hold the rows of
            the task's tokens alone.

    Raises:
        ProgsearchError: The model, the task or the schedule cannot be used, or do not fit.

    Example:
        >>> run = TrainingRun(config)  # doctest: +SKIP
        >>> for record in run.records():
        ...     print(record.epoch, record.metrics)
        >>> run.result().metrics
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        device: str | None = None,
        store: Store | None = None,
        prefix_cache: bool = True,
        test: bool = False,
    ) -> None:
        started = time.perf_counter()
        self._config = config
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.tokenizer = load_tokenizer(config.model)
        self.task = load_task(config.task, self.tokenizer)
        self.task.prepare()
        self.model = load_model(
            config.model,
            self.task.head,
            seed=config.training.seed,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        anatomy = find_anatomy(self.model)
        schedule = Schedule.from_dicts(
            [stage.model_dump() for stage in config.stages], anatomy.n_blocks
        )
        training, seed = config.training, config.training.seed
        trainable = apply_method(self.model, anatomy, config.method, seed)
        trained = trainable.names(*schedule.stages)
        self._rows = keep_occurring_rows(self.model, trained, self.task.splits())
        precision = resolve_precision(training.precision, self.device)
        hardware = arithmetic(self.device)
        start = (ENVIRONMENT, model_fingerprint(config.model), config.method.own_fields())
        epoch = steps_per_epoch(
            len(self.task.train), training.batch_size, training.gradient_accumulation
        )
        # The prefix cache holds this, and must not hold the run, which would outlive its end.
        self._lineage = Lineage(
            # Every method starts where the pre-trained model is, whatever the seed.
            pretrained=(*start, precision, hardware),
            root=(
                *start,
                self.task.fingerprint,
                training.model_dump(mode="json") | {"precision": precision},
                (hardware, torch.get_num_threads()),
            ),
            schedule=schedule,
            total_steps=epoch * training.epochs,
        )
        self._engine = Engine(
            self.model,
            anatomy,
            trainable,
            schedule,
            training,
            self.task.train,
            self.device,
            prefix_cache=prefix_cache,
            store=store,
            origin=self._lineage.origin,
        )
        self._model_cost = describe(config.model, config.task, config.method)
        self._rescoring: Rescoring | None = None
        if config.contribution is not None and config.contribution.rescore:
            metric = config.contribution.metric
            self._rescoring = Rescoring(
                metric,
                self.model,
                anatomy,
                self.task.train,
                seed,
                self._engine.recent_gradients,
                store,
            )
        self._store = store
        self._test = self.task.test if test else None
        # Key of each segment that was trained or found, behind the run's beginning.
        self._passed: list[tuple[str | None, Segment]] = [
            (None, Segment(None, 0, {}, 0.0, 0.0, 0))
        ]
        self._records: list[Record] = []
        self._steps_trained = 0
        self._saved_seconds = 0.0
        self._setup_seconds = time.perf_counter() - started

    @property
    def _last(self) -> Segment:
        """Where the run is."""
        return self._passed[-1][1]

    @property
    def schedule(self) -> Schedule:
        """The stages; of one that is not begun yet, the blocks may still change."""
        return self._lineage.schedule

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self._lineage.total_steps

    def records(self) -> Iterator[Record]:
        """Train from one end of an epoch or a stage to the next, and evaluate there.

        Raises:
            TrialFailed: The loss or the metric is not finite, or memory ran out.
        """
        rescore = self._rescoring is not None
        ends = segment_ends(
            self.schedule, self.total_steps, self._engine.steps_per_epoch, rescore=rescore
        )
        to_rescore = self.schedule.stages_to_rescore(self.total_steps) if rescore else {}
        for end in ends:
            key = self._lineage.key(end)
            segment = self._reuse(key) if self._store else None
            if segment is None:
                segment = self._train(key, end)
            self._passed.append((key, segment))
            yield self._record(segment)
            if end in to_rescore:
                self._choose_blocks(to_rescore[end], key)
        if self._rows is not None:
            self._rows.put_back(self._engine.decay(token_embedding(self.model)))
            self._rows = None

    def _reuse(self, key: str) -> Segment | None:
        assert self._store is not None
        segment = get_segment(self._store, key)
        if segment is not None and self._lacks_test(segment):
            return None
        if segment is not None:
            self._saved_seconds += segment.train_seconds - self._last.train_seconds
            self._saved_seconds += segment.evaluate_seconds - self._last.evaluate_seconds
        return segment

    def _lacks_test(self, segment: Segment) -> bool:
        at_end = segment.step == self.total_steps
        return at_end and self._test is not None and segment.test_metrics is None

    def _train(self, key: str, end: int) -> Segment:
        if self._store is None:
            return self._train_segment(end)
        # Whoever comes second to a segment waits here and finds it trained.
        with self._store.lock(key):
            segment = self._reuse(key)
            if segment is None:
                self._catch_up()
                segment = self._train_segment(end)
                put_segment(self._store, key, segment, self._state(self._last.step, end))
        return segment

    def _catch_up(self) -> None:
        """Bring the engine to the end of the last segment, which may have been reused.

        What cannot be loaded of the way there is trained and stored again.
        """
        position = len(self._passed) - 1
        while self._passed[position][1].step > self._engine.step:
            key, segment = self._passed[position]
            assert self._store is not None and key is not None, "only stored steps are skipped"
            names = self._engine.trained_names(0, segment.step)
            chain = load_chain(self._store, key, names)
            if chain is None:
                position -= 1
            else:
                self._engine.restore(segment.step, chain)
        for (_, before), (key, segment) in itertools.pairwise(self._passed[position:]):
            assert self._store is not None and key is not None
            with self._memory_failures():
                self._advance(segment.step)
            self._saved_seconds -= segment.train_seconds - before.train_seconds
            put_segment(self._store, key, segment, self._state(before.step, segment.step))

    def _state(self, first: int, end: int) -> dict[str, Tensor] | None:
        """What a continuation needs of the steps up to ``end``; None where there is none."""
        if end == self.total_steps:
            return None
        return self._engine.state(self._engine.trained_names(first, end))

    def _choose_blocks(self, stage: Stage, key: str) -> None:
        """Choose what ``stage`` trains; it begins where the segment ``key`` ends."""
        assert self._rescoring is not None
        if not self._rescoring.stored(key):
            self._catch_up()
            with self._memory_failures():
                self._rescoring.score(key)
        self._lineage.schedule = self.schedule.rescored(stage, self._rescoring.scores[-1])
        self._engine.follow(self.schedule)

    def _train_segment(self, end: int) -> Segment:
        started = time.perf_counter()
        parent, before = self._passed[-1]
        with self._memory_failures():
            self._advance(end)
            trained = time.perf_counter()
            metrics = self.evaluate(self.task.validation)
            evaluated = time.perf_counter()
            test_metrics = self._score_test() if end == self.total_steps else None
        if not math.isfinite(metrics[self.task.metric]):
            raise TrialFailed(f"{self.task.metric} is not a number at step {end}")
        return Segment(
            parent=parent,
            step=end,
            metrics=metrics,
            train_seconds=before.train_seconds + trained - started,
            evaluate_seconds=before.evaluate_seconds + evaluated - trained,
            peak_memory=max(before.peak_memory, self._engine.memory.peak),
            test_metrics=test_metrics,
        )

    def _score_test(self) -> dict[str, float] | None:
        if self._test is None:
            return None
        # With a precision it passes the prefix cache by, which is not worth filling for one pass.
        return self.evaluate(self._test, self._engine.precision)

    def _advance(self, step: int) -> None:
        first = self._engine.step
        self._engine.advance(step)
        self._steps_trained += step - first

    @contextmanager
    def _memory_failures(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise TrialFailed(f"out of GPU memory at step {self._engine.step}: {error}") from error
        except MemoryError as error:
            raise TrialFailed(f"out of memory at step {self._engine.step}") from error

    def _record(self, segment: Segment) -> Record:
        timings = self._timings()
        record = Record(
            step=segment.step,
            fraction=segment.step / self.total_steps,
            epoch=segment.step / self._engine.steps_per_epoch,
            metrics=segment.metrics,
            seconds=timings["train"] + timings["evaluate"],
        )
        self._records.append(record)
        return record

    def _timings(self) -> dict[str, float]:
        timings = {
            "setup": self._setup_seconds,
            "train": self._last.train_seconds,
            "evaluate": self._last.evaluate_seconds,
            "saved": self._saved_seconds,
        }
        if self._rescoring is not None:
            timings["train"] += self._rescoring.seconds
            timings["saved"] += self._rescoring.saved
        return timings

    def evaluate(self, split: Split, precision: Precision | None = None) -> dict[str, float]:
        """The task's metrics of the model as it is now on ``split``.

        Args:
            split: Labelled examples.
            precision: Of the forward passes; by default the training's.
        """
        logits = self._engine.predict(split, precision).numpy()
        return self.task.evaluate(logits, split)

    def spent(self) -> dict[str, Any]:
        """Timings, steps_trained and peak_memory so far; see `RunResult`."""
        return {
            "timings": self._timings(),
            "steps_trained": self._steps_trained,
            "peak_memory": self._last.peak_memory,
        }

    @property
    def cost(self) -> RunCost:
        """What `schedule` costs."""
        return self._model_cost.of(
            self.schedule, self._config.training.epochs, len(self.task.train), self.total_steps
        )

    @property
    def config(self) -> RunConfig:
        """The config that trains the same again, with the blocks that were chosen on the way."""
        if self._rescoring is None:
            return self._config
        assert self._config.contribution is not None
        scored = {"rescore": False, "rescored": tuple(self._rescoring.scores)}
        return self._config.model_copy(
            update={
                "contribution": self._config.contribution.model_copy(update=scored),
                "stages": tuple(StageConfig(**stage) for stage in self.schedule.to_dicts()),
            }
        )

    def result(self) -> RunResult:
        """The result, once `records` is exhausted."""
        return RunResult(
            metrics=self._records[-1].metrics,
            records=tuple(self._records),
            cost=self.cost,
            test_metrics=self._last.test_metrics if self._test is not None else None,
            **self.spent(),
        )
