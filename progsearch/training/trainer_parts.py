"""What a Trainer needs to train what a schedule trains."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import fields
from typing import Any

from torch import nn
from transformers import TrainingArguments

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


def checkpointing_arguments(overrides: Container[str]) -> dict[str, Any]:
    """The arguments that switch gradient checkpointing on, under this version's names.

    transformers renamed them and warns of the old names, which users may still override.

    Args:
        overrides: The names of the arguments that a user gives.
    """
    known = {field.name for field in fields(TrainingArguments)}
    prefix = "activation" if "activation_checkpointing" in known else "gradient"
    values = {
        "checkpointing": True,
        # Otherwise a model with frozen embeddings would get no gradients at all.
        "checkpointing_kwargs": {"use_reentrant": False},
    }
    return {
        f"{prefix}_{name}": value
        for name, value in values.items()
        if f"gradient_{name}" not in overrides
    }
