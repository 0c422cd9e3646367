"""Whether a Trainer can train what a schedule trains."""

from __future__ import annotations

from typing import Any

from torch import nn

from progsearch.errors import MethodError, ScheduleError
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Schedule


def check_trained(
    schedule: Schedule, trainable: TrainableParameters, model: nn.Module, optimizer: Any
) -> None:
    """Check that what a schedule trains requires a gradient and is in the optimizer.

    Args:
        schedule: The schedule.
        trainable: The parameters of the model that require a gradient.
        model: The model.
        optimizer: Its optimizer; None if it is not known.

    Raises:
        MethodError: All blocks that the schedule trains were frozen before.
        ScheduleError: The optimizer lacks parameters.
    """
    blocks = {block for stage in schedule.stages for block in stage.trainable_blocks}
    if blocks and not any(trainable.blocks[block] for block in blocks):
        raise MethodError(
            "no parameter of the model's blocks requires a gradient, so the schedule cannot train "
            "them; make the Trainer before anything is frozen, or choose a method that has "
            "parameters in this model"
        )
    if optimizer is None:
        return
    trained = trainable.names(*schedule.stages)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    missing = [n for n, p in model.named_parameters() if n in trained and id(p) not in held]
    if missing:
        raise ScheduleError(
            f"the optimizer lacks {len(missing)} of the tensors that the schedule trains, "
            f"{missing[0]} among them; make it from all parameters of the model, or leave it to a "
            "new Trainer"
        )
