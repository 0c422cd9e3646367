"""Evaluates a model on splits of its task; the task type computes the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from progsearch.config import Precision
from progsearch.engine.loop import Engine
from progsearch.tasks import Split, TaskData


class Validated(NamedTuple):
    """What is measured on validation data.

    Attributes:
        metrics: The task's metrics.
        constant: Whether all predictions are the same.
        per_class: See `TaskType.per_class`.
    """

    metrics: dict[str, float]
    constant: bool
    per_class: dict[str, dict[str, float]] | None = None


class Evaluator:
    """Evaluates the engine's model, in its current state, on the data of a task.

    Args:
        engine: Trains the model.
        task: The data.
        at_end: Measures what is measured once, after the last step.
        test: Whether to evaluate on the test data too, if the task has labelled test data.
    """

    def __init__(
        self,
        engine: Engine,
        task: TaskData,
        at_end: Callable[[], dict[str, float]],
        *,
        test: bool,
    ) -> None:
        self.at_end = at_end
        self._engine = engine
        self._task = task
        self._test = task.test if test else None

    @property
    def tests(self) -> bool:
        """Whether `test_metrics` evaluates on test data."""
        return self._test is not None

    def metrics(self, split: Split, precision: Precision | None = None) -> dict[str, float]:
        """The task's metrics on ``split``.

        Args:
            split: Labelled examples.
            precision: Precision of the forward passes; by default that of the training.
        """
        return self._task.evaluate(self.outputs(split, precision), split)

    def outputs(self, split: Split, precision: Precision | None = None) -> np.ndarray:
        """The model's outputs on ``split``, as kept by the task; arguments as in `metrics`."""
        return self._engine.predict(split, self._task.keep, precision=precision).numpy()

    def validation(self) -> Validated:
        """All that is measured on the task's validation data."""
        task, split = self._task, self._task.validation
        kept = self.outputs(split)
        return Validated(
            task.evaluate(kept, split), task.is_constant(kept, split), task.per_class(kept, split)
        )

    def test_metrics(self) -> dict[str, float] | None:
        """The task's metrics on its test data; None unless `tests`."""
        if self._test is None:
            return None
        # If the precision is given, the prefix cache is not used; for one pass it is not worth
        # filling.
        return self.metrics(self._test, self._engine.precision)
