"""The cost of a schedule, computed from the costs of the model's parts.

`progsearch.costs.flops` measures the parts; this module only adds them up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from progsearch.config import TrainingConfig
from progsearch.costs.memory import ModelMemory
from progsearch.schedule import Schedule, Stage
from progsearch.schedule.run_cost import RunCost


def steps_per_epoch(n_examples: int, batch_size: int, gradient_accumulation: int = 1) -> int:
    """Optimizer steps per epoch of ``n_examples``; the last one may have fewer examples."""
    return math.ceil(math.ceil(n_examples / batch_size) / gradient_accumulation)


@dataclass(frozen=True)
class PartCost:
    """One part of a model (embeddings, a block or the head) under one fine-tuning method.

    Attributes:
        parameters: Number of parameters of the part, as in full fine-tuning.
        trainable: Number of parameters that the method trains while the part is not frozen.
        forward: FLOPs of its forward pass for one example.
        backward: FLOPs of its backward pass if it is trained and passes a gradient down.
        backward_first: The same if it is the lowest trained part, so it passes none down.
        backward_through: The same if it is frozen and only passes the gradient down.
    """

    parameters: int
    trainable: int
    forward: float
    backward: float
    backward_first: float
    backward_through: float


@dataclass(frozen=True)
class ModelCost:
    """The costs of a model's parts, in the order of the forward pass.

    Attributes:
        embeddings: Of the embeddings.
        blocks: Of each block.
        head: Of the head.
        memory: What they take of memory; None if that was not measured.
    """

    embeddings: PartCost
    blocks: tuple[PartCost, ...]
    head: PartCost
    memory: ModelMemory | None = None

    @property
    def parameters(self) -> int:
        """Number of parameters that full fine-tuning updates in every step."""
        return sum(part.parameters for part in (self.embeddings, *self.blocks, self.head))

    @property
    def full_flops(self) -> float:
        """FLOPs of forward and backward pass for one example, if this method freezes nothing."""
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
        """FLOPs of forward and backward pass for one example in ``stage``."""
        total = 0.0
        gradient_below = False
        for part, trained in self._parts(stage):
            total += part.forward
            # A part without trained parameters (the embeddings with LoRA) needs no gradient.
            if trained and part.trainable:
                total += part.backward if gradient_below else part.backward_first
                gradient_below = True
            elif gradient_below:
                total += part.backward_through
        return total

    def of(
        self,
        schedule: Schedule,
        epochs: int,
        examples: int,
        total_steps: int,
        training: TrainingConfig | None = None,
    ) -> RunCost:
        """The cost of a run.

        Args:
            schedule: The stages.
            epochs: Passes over the training data.
            examples: Number of training examples.
            total_steps: Optimizer steps of the run; stages end at whole steps.
            training: How the steps are made, on which its memory depends.
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
            peak_memory=None
            if self.memory is None or training is None
            else self.memory.of(schedule, training, examples),
        )
