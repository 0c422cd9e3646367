"""What a schedule costs, known before any training.

Follows from the schedule and from what the parts of the model hold and compute; measuring the
parts is the business of `progsearch.costs.flops`, composing them is arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from progsearch.schedule import Schedule, Stage
from progsearch.schedule.run_cost import RunCost


def steps_per_epoch(n_examples: int, batch_size: int, gradient_accumulation: int = 1) -> int:
    """Optimizer steps of one pass over ``n_examples``; the last ones may be smaller."""
    return math.ceil(math.ceil(n_examples / batch_size) / gradient_accumulation)


@dataclass(frozen=True)
class PartCost:
    """One part of a model (embeddings, a block or the head) under one fine-tuning method.

    Attributes:
        parameters: All parameters of the part, as in full fine-tuning.
        trainable: Those the method trains while the part is not frozen.
        forward: FLOPs of its forward pass for one example.
        backward: FLOPs of its backward pass when it is trained and hands a gradient down.
        backward_first: The same when it is the lowest trained part, so hands none down.
        backward_through: The same when it is frozen and only hands the gradient down.
    """

    parameters: int
    trainable: int
    forward: float
    backward: float
    backward_first: float
    backward_through: float


@dataclass(frozen=True)
class ModelCost:
    """The parts of a model in the order of the forward pass."""

    embeddings: PartCost
    blocks: tuple[PartCost, ...]
    head: PartCost

    @property
    def parameters(self) -> int:
        """Number of parameters that full fine-tuning updates at every step."""
        return sum(part.parameters for part in (self.embeddings, *self.blocks, self.head))

    @property
    def full_flops(self) -> float:
        """FLOPs of forward and backward of this method's full schedule, for one example."""
        return self.flops_in(Schedule.full(len(self.blocks)).stages[0])

    def _parts(self, stage: Stage) -> list[tuple[PartCost, bool]]:
        trained = set(stage.trainable_blocks)
        return [
            (self.embeddings, stage.embeddings),
            *((part, index in trained) for index, part in enumerate(self.blocks)),
            (self.head, stage.head),
        ]

    def updated_in(self, stage: Stage) -> int:
        """Number of parameters that a step of ``stage`` updates."""
        return sum(part.trainable for part, trained in self._parts(stage) if trained)

    def flops_in(self, stage: Stage) -> float:
        """FLOPs of forward and backward of one example in ``stage``."""
        total = 0.0
        gradient_below = False
        for part, trained in self._parts(stage):
            total += part.forward
            # A part that trains no parameter (LoRA's embeddings) needs no gradient.
            if trained and part.trainable:
                total += part.backward if gradient_below else part.backward_first
                gradient_below = True
            elif gradient_below:
                total += part.backward_through
        return total

    def of(self, schedule: Schedule, epochs: int, examples: int, total_steps: int) -> RunCost:
        """The cost of a run.

        Args:
            schedule: The stages.
            epochs: Passes over the training data.
            examples: Training examples of one epoch.
            total_steps: Optimizer steps of the run; stage ends are rounded to them.
        """
        spans = schedule.spans(total_steps)
        updates = sum((end - first) * self.updated_in(s) for first, end, s in spans)
        flops = sum((end - first) * self.flops_in(s) for first, end, s in spans)
        mean = updates / total_steps
        return RunCost(
            n_blocks=schedule.n_blocks,
            parameters=self.parameters,
            updated_parameters_per_step=mean,
            updated_parameters_per_run=mean * epochs,
            updated_parameters=mean / self.parameters,
            flops=flops / total_steps * epochs * examples,
            flops_relative=flops / total_steps / self.full_flops,
        )
