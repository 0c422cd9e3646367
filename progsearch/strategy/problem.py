"""What a search must know of its model and its task before the first trial."""

from __future__ import annotations

from dataclasses import dataclass

from progsearch.config import Understood
from progsearch.costs import ModelCost


@dataclass(frozen=True)
class Problem:
    """A model and a task, without their weights and data.

    Attributes:
        costs: What the parts of the model cost, by `MethodSettings.cost_key`.
        contributions: One score per block for each contribution metric that the space may need.
        examples: Training examples of one epoch.
        learning_rate: The rate of runs if neither the user nor the space gives one.
        metric: The task's primary metric.
        majority: The metric of a constant answer; None if that has no score.
        fingerprint: Identifies the model's weights and the task's data.
        remarks: Notes for the user on how the data was read.
        references: Names of schedules that are trained beside those of every study.
        understood: The summary of the data; None in a synthetic problem.
    """

    costs: dict[str, ModelCost]
    contributions: dict[str, tuple[float, ...]]
    examples: int
    learning_rate: float
    metric: str
    majority: float | None
    fingerprint: str
    remarks: tuple[str, ...]
    references: tuple[str, ...] = ()
    understood: Understood | None = None

    @property
    def n_blocks(self) -> int:
        """Blocks of the model."""
        return len(self._any_cost.blocks)

    @property
    def parameters(self) -> int:
        """Parameters of the model."""
        return self._any_cost.parameters

    @property
    def _any_cost(self) -> ModelCost:
        return next(iter(self.costs.values()))
