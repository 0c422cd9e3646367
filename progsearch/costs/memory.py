"""The peak memory of a run, computed from what was measured of the model's parts.

`progsearch.training.step_memory` measures the parts; this module only adds them up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from progsearch.config import TrainingConfig
from progsearch.schedule import Schedule, Stage


@dataclass(frozen=True)
class Bytes:
    """Bytes that grow with the number of examples in a batch of the longest ones."""

    fixed: float
    per_row: float

    def at(self, rows: int) -> float:
        """Those of so many examples."""
        return max(0.0, self.fixed + self.per_row * rows)


@dataclass(frozen=True)
class PartMemory:
    """The bytes of one part of a model (embeddings, a block or the head).

    Attributes:
        weights: Of its weights while it is trained.
        weights_frozen: The same while it is frozen.
        trained: Of the parameters that are trained, which is the size of their gradient.
        moments: Of Adam's two moments of these.
        update: Of what an update of its largest parameter needs beside them.
        copied: Of the copies of its trained weights in the dtype of products, which autocast keeps
            until a pass ends; in a pass with gradients they are in ``kept``.
        kept: Of what its forward pass keeps for the backward pass if it is trained.
        kept_lowest: The same if it is the lowest trained part.
        kept_through: The same if it is frozen and passes a gradient down.
        backward: Of what its backward pass needs beside that.
        forward: Of all that is there in its forward pass without gradients.
        output: Of its output.
    """

    weights: int
    weights_frozen: int
    trained: int
    moments: int
    update: int
    copied: int
    kept: Bytes
    kept_lowest: Bytes
    kept_through: Bytes
    backward: Bytes
    forward: Bytes
    output: Bytes

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """From `dataclasses.asdict`."""
        read: dict[str, Any] = {
            k: Bytes(**v) if isinstance(v, dict) else v for k, v in data.items()
        }
        return cls(**read)


@dataclass(frozen=True)
class ModelMemory:
    """The bytes of a model's parts, in one precision.

    Attributes:
        parts: Embeddings, blocks and head, in the order of the forward pass.
        reduced_table: Of a second token table with the rows that occur, which is there if some
            stage trains the embeddings.
        checkpointed: The number of blocks, from the lowest, that gradient checkpointing covers.
        pass_rows: Examples in a batch of the longest ones in passes without gradients.
        ranks: The number of processes that train together, each on its share of a batch's rows;
            the memory is that of one of them. Not measured.
    """

    parts: tuple[PartMemory, ...]
    reduced_table: int
    checkpointed: int
    pass_rows: int
    ranks: int = 1

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """From `dataclasses.asdict`."""
        return cls(**data | {"parts": tuple(map(PartMemory.from_dict, data["parts"]))})

    def of(self, schedule: Schedule, training: TrainingConfig, examples: int) -> int:
        """The peak of a run in one process, without the states of the prefix cache.

        Args:
            schedule: The stages.
            training: Batch size, accumulation and gradient checkpointing.
            examples: Training examples.
        """
        table = self.reduced_table if any(s.embeddings for s in schedule.stages) else 0
        rows = math.ceil(min(training.batch_size, examples) / self.ranks)
        return round(table + max(self._of(stage, training, rows) for stage in schedule.stages))

    def _of(self, stage: Stage, training: TrainingConfig, rows: int) -> float:
        parts = list(self._trained(stage))
        held = sum(part.weights if trained else part.weights_frozen for part, trained in parts)
        gradients = sum(part.trained for part, trained in parts if trained)
        held += sum(part.moments for part, trained in parts if trained)
        update = max((part.update for part, trained in parts if trained), default=0)
        copied = sum(part.copied for part, trained in parts if trained)
        passed = self._passed(rows) + copied, self._passed(self.pass_rows) + copied
        # Micro-batches after the first begin with the gradients of those before.
        accumulates = training.gradient_accumulation > 1
        step = max(
            passed[0] + (gradients if accumulates else 0),
            self._step(parts, rows, training.gradient_checkpointing, accumulates),
            gradients + update,
        )
        return held + max(step, passed[1])

    def _passed(self, rows: int) -> float:
        """What a pass without gradients needs."""
        return max(part.forward.at(rows) for part in self.parts)

    def _trained(self, stage: Stage) -> Iterator[tuple[PartMemory, bool]]:
        embeddings, *blocks, head = self.parts
        # A part without trained parameters (the embeddings with LoRA) needs no gradient.
        yield embeddings, stage.embeddings and embeddings.trained > 0
        for index, block in enumerate(blocks):
            yield block, index in stage.trainable_blocks and block.trained > 0
        yield head, stage.head and head.trained > 0

    def _step(
        self,
        parts: list[tuple[PartMemory, bool]],
        rows: int,
        checkpoints: bool,
        accumulates: bool,
    ) -> float:
        """What forward and backward pass need beside weights and Adam's moments."""
        first = next((i for i, (_, trained) in enumerate(parts) if trained), len(parts))
        whole = [(part.kept if trained else part.kept_through).at(rows) for part, trained in parts]
        if first < len(parts):
            whole[first] = parts[first][0].kept_lowest.at(rows)
        kept = list(whole)
        for index in range(1, 1 + self.checkpointed):
            if checkpoints:
                kept[index] = parts[index][0].output.at(rows)
        # The embeddings' output is there in any case; frozen blocks below the first keep nothing.
        kept[1:first] = [0.0] * (first - 1)
        gradients = float(sum(p.trained for p, trained in parts if trained)) * accumulates
        most = left = sum(kept) + gradients
        for index in reversed(range(first, len(parts))):
            part, trained = parts[index]
            left += whole[index] - kept[index]
            most = max(most, left + part.backward.at(rows))
            left += (part.trained if trained and not accumulates else 0) - whole[index]
            most = max(most, left)
        return most
