"""Runs as vectors that are close if the runs train alike, for models of any depth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from progsearch.config import RunConfig, StageConfig

Vector = npt.NDArray[np.float64]

# The map of what is trained when is read at this many times and depths.
_TIMES, _DEPTHS = 6, 6
# The distance of two runs that differ in all of: what is trained when, whether the embeddings
# are, and the method; and those whose learning rates lie a factor of 10 apart.
_EMBEDDINGS, _METHOD, _LEARNING_RATE = 0.5, 1.0, 1.0
# Fixed, since studies keep such vectors; other methods have no entry of their own.
_METHODS = ("full", "lora", "bitfit", "adapter")


def features(run: RunConfig, n_blocks: int) -> Vector:
    """The vector of a run.

    Blocks are placed by their relative depth and stages by their share of the training, so that
    runs of models of different depth can be compared.

    Args:
        run: Its stages, training settings and method are read.
        n_blocks: Blocks of its model.

    Returns:
        Shape ``(n_features,)``, the same for all models.
    """
    stages, training = run.stages, run.training
    depths = [min(n_blocks - 1, int((d + 0.5) / _DEPTHS * n_blocks)) for d in range(_DEPTHS)]
    moments = [_stage_at(stages, (t + 0.5) / _TIMES) for t in range(_TIMES)]
    blocks = [float(depth in stage.trainable_blocks) for stage in moments for depth in depths]
    embeddings = [float(stage.embeddings) for stage in moments]
    method = [float(run.method.name == name) for name in _METHODS]
    step_size = math.log10(training.learning_rate)
    # Twice the batch is about half the steps, which a higher rate compensates.
    step_size -= 0.5 * math.log10(training.batch_size * training.gradient_accumulation)
    return np.array(
        [
            *_scaled(blocks, 1.0),
            *_scaled(embeddings, _EMBEDDINGS),
            *(value * _METHOD / math.sqrt(2) for value in method),
            _LEARNING_RATE * step_size,
        ]
    )


def _stage_at(stages: Sequence[StageConfig], moment: float) -> StageConfig:
    return next((stage for stage in stages if moment < stage.end), stages[-1])


def _scaled(values: list[float], distance: float) -> list[float]:
    return [value * distance / math.sqrt(len(values)) for value in values]
