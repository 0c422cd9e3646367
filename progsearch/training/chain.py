"""Goes through the segments of a run: reuses stored ones and trains missing ones."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from progsearch.engine.loop import Engine
from progsearch.errors import OutOfMemory, TrialFailed
from progsearch.schedule.plan import Lineage
from progsearch.store import Store
from progsearch.training.evaluator import Evaluator
from progsearch.training.segments import (
    Segment,
    get_segment,
    load_chain,
    put_segment,
    stored_steps,
)


class SegmentChain:
    """The segments of a run so far, reused or trained.

    Args:
        engine: Trains the model; not moved forward while segments are reused.
        lineage: Gives the keys of segments.
        evaluator: Evaluates the model at the end of each segment.
        metric: The task metric that must be finite.
        store: The store to read segments from and add them to.

    Attributes:
        steps_trained: Optimizer steps that were made; the others were reused.
        saved_seconds: Seconds saved by reuse.
    """

    def __init__(
        self,
        engine: Engine,
        lineage: Lineage,
        evaluator: Evaluator,
        metric: str,
        store: Store | None,
    ) -> None:
        self.steps_trained = 0
        self.saved_seconds = 0.0
        self._engine = engine
        self._lineage = lineage
        self._evaluator = evaluator
        self._metric = metric
        self._store = store
        # Keys and segments; the run's beginning has no key.
        self._passed: list[tuple[str | None, Segment]] = [
            (None, Segment(None, 0, {}, 0.0, 0.0, 0))
        ]

    @property
    def last(self) -> Segment:
        """The last segment; the run is at its end."""
        return self._passed[-1][1]

    @property
    def key(self) -> str | None:
        """The key of `last`; None at the run's beginning."""
        return self._passed[-1][0]

    def pass_to(self, end: int) -> Segment:
        """Reuse or train the segment that ends at step ``end``.

        Raises:
            TrialFailed: The loss or the metric is not finite, or memory ran out.
        """
        key = self._lineage.key(end)
        segment = self._reuse(key)
        if segment is None:
            self._lineage.train_from(self.last.step)
            key = self._lineage.key(end)
            segment = self._train(key, end)
        self._passed.append((key, segment))
        return segment

    @property
    def stored_steps(self) -> int:
        """The steps from the run's beginning whose states the store has."""
        return stored_steps(self._store, self._lineage)

    def catch_up(self) -> None:
        """Bring the engine to the end of the last segment, which may have been reused.

        Segments that cannot be loaded are trained and stored again.

        Raises:
            TrialFailed: As in `pass_to`.
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
            assert self._store is not None and key is not None, "only stored steps are skipped"
            with self.memory_failures():
                self._advance(segment.step)
            self.saved_seconds -= segment.train_seconds - before.train_seconds
            if not self._lineage.made_by_others(segment.step):
                put_segment(self._store, key, segment, self._state(before.step, segment.step))

    def release_weights(self) -> None:
        """See `Engine.release_weights`."""
        self._engine.release_weights()

    @contextmanager
    def memory_failures(self) -> Iterator[None]:
        """While active, running out of memory raises `OutOfMemory`."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(f"out of GPU memory at step {self._engine.step}: {error}") from error
        except MemoryError as error:
            raise OutOfMemory(f"out of memory at step {self._engine.step}") from error

    def _reuse(self, key: str) -> Segment | None:
        segment = get_segment(self._store, key) if self._store else None
        # Segments of earlier versions do not say whether predictions are constant.
        if segment is None or segment.constant is None or self._lacks_test(segment):
            return None
        self.saved_seconds += segment.train_seconds - self.last.train_seconds
        self.saved_seconds += segment.evaluate_seconds - self.last.evaluate_seconds
        return segment

    def _lacks_test(self, segment: Segment) -> bool:
        at_end = segment.step == self._engine.total_steps
        return at_end and self._evaluator.tests and segment.test_metrics is None

    def _train(self, key: str, end: int) -> Segment:
        if self._store is None:
            return self._train_segment(end)
        # A second run that needs this segment waits here, and then reuses it.
        with self._store.lock(key):
            segment = self._reuse(key)
            if segment is None:
                self.catch_up()
                segment = self._train_segment(end)
                put_segment(self._store, key, segment, self._state(self.last.step, end))
        return segment

    def _train_segment(self, end: int) -> Segment:
        parent, before = self._passed[-1]
        with self.memory_failures():
            started = time.perf_counter()
            self._advance(end)
            trained = time.perf_counter()
            found = self._evaluator.validation()
            at_end = end == self._engine.total_steps
            metrics = found.metrics | (self._evaluator.at_end() if at_end else {})
            evaluated = time.perf_counter()
            test_metrics = self._evaluator.test_metrics() if at_end else None
        if not math.isfinite(metrics[self._metric]):
            raise TrialFailed(f"{self._metric} is not a number at step {end}")
        return Segment(
            parent=parent,
            step=end,
            metrics=metrics,
            train_seconds=before.train_seconds + trained - started,
            evaluate_seconds=before.evaluate_seconds + evaluated - trained,
            peak_memory=max(before.peak_memory, self._engine.peak_memory),
            test_metrics=test_metrics,
            constant=found.constant,
            per_class=found.per_class if at_end else None,
        )

    def _advance(self, step: int) -> None:
        first = self._engine.step
        self._engine.advance(step)
        self.steps_trained += step - first

    def _state(self, first: int, end: int) -> dict[str, Tensor]:
        """The state after step ``end``, which is the engine's."""
        return self._engine.state(self._engine.trained_names(first, end))
