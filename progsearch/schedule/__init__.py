"""Progressive fine-tuning schedules as data: what is trained when.

A model is embeddings, ``n_blocks`` Transformer blocks (block 0 next to the embeddings) and a head.
A schedule cuts a training run into stages; a stage says which of these parts are trained.
Pure data and arithmetic: nothing here needs torch.
"""

from progsearch.schedule.files import read_config, write_config
from progsearch.schedule.schedule import Schedule
from progsearch.schedule.spec import (
    MAX_STAGES,
    Curve,
    EmbeddingsPolicy,
    Mode,
    RatioOf,
    ScheduleSpec,
)
from progsearch.schedule.stages import Stage

__all__ = [
    "MAX_STAGES",
    "Curve",
    "EmbeddingsPolicy",
    "Mode",
    "RatioOf",
    "Schedule",
    "ScheduleSpec",
    "Stage",
    "read_config",
    "write_config",
]
