"""Scores a model, as it is at the time, on the data of its task."""

from __future__ import annotations

import numpy as np

from progsearch.config import Precision
from progsearch.engine.loop import Engine
from progsearch.tasks import Split, TaskData


class Evaluator:
    """Scores the model of an engine on the data of a task.

    Args:
        engine: Trains the model.
        task: The data.
        test: Whether `test_metrics` scores the test data, if the task has labelled ones.
    """

    def __init__(self, engine: Engine, task: TaskData, *, test: bool) -> None:
        self._engine = engine
        self._task = task
        self._test = task.test if test else None

    @property
    def tests(self) -> bool:
        """Whether there are test data to score."""
        return self._test is not None

    def metrics(self, split: Split, precision: Precision | None = None) -> dict[str, float]:
        """The task's metrics on ``split``.

        Args:
            split: Labelled examples.
            precision: Of the forward passes; by default the training's.
        """
        return self._task.evaluate(self.outputs(split, precision), split)

    def outputs(self, split: Split, precision: Precision | None = None) -> np.ndarray:
        """What the task keeps of the model's outputs on ``split``; arguments as in `metrics`."""
        return self._engine.predict(split, self._task.keep, precision=precision).numpy()

    def validation_metrics(self) -> dict[str, float]:
        """The task's metrics on its validation data."""
        return self.metrics(self._task.validation)

    def test_metrics(self) -> dict[str, float] | None:
        """The task's metrics on its test data; None if they are not to be scored."""
        if self._test is None:
            return None
        # With a precision it does not use the prefix cache, which is not worth filling for one
        # pass.
        return self.metrics(self._test, self._engine.precision)
