"""Runs a schedule inside the user's own ``transformers.Trainer``."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from progsearch.engine.freezer import Freezer
from progsearch.errors import ScheduleError
from progsearch.models.anatomy import find_anatomy
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Schedule, Stage


class ProgtuningCallback(TrainerCallback):  # type: ignore[misc]
    """Freezes and unfreezes the model's parts according to ``schedule``.

    The schedule applies to the parameters that require a gradient when training starts: all
    parameters in full fine-tuning, LoRA's matrices in a peft model.

    The data is the Trainer's own. A search trains numbers standardised: to train as it did, give
    labels minus their mean and divided by their standard deviation over the training rows, and
    multiply and add the same to what the model predicts. For several labels per row, give 0 and 1
    as floats, and a model with ``problem_type="multi_label_classification"``.

    Args:
        schedule: The stages; they must fit the model's number of blocks.

    Example:
        >>> trainer = Trainer(  # doctest: +SKIP
        ...     model=model,
        ...     train_dataset=train,
        ...     callbacks=[ProgtuningCallback(Schedule.from_file("best.yaml"))],
        ... )
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._spans: list[tuple[int, int, Stage]] = []
        self._freezer: Freezer | None = None
        self._hook: Any = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        """Find the parts of the model; the optimizer already holds its parameters.

        Raises:
            ScheduleError: The schedule is for another number of blocks.
        """
        assert model is not None, "transformers passes the model to each callback"
        anatomy = find_anatomy(model)
        if anatomy.n_blocks != self.schedule.n_blocks:
            raise ScheduleError(
                f"the schedule is for {self.schedule.n_blocks} blocks and the model has "
                f"{anatomy.n_blocks}; use a schedule made for this model"
            )
        self._spans = self.schedule.spans(state.max_steps)
        self._freezer = Freezer(model, anatomy, TrainableParameters.of(model, anatomy))
        # The Trainer calls `model.train()` before each step, which turns on the dropout of frozen
        # parts again.
        freezer = self._freezer
        self._hook = model.register_forward_pre_hook(
            lambda module, inputs: freezer.freeze_modes() if module.training else None
        )

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        optimizer: Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Enter the stage that begins at this step, or that a resumed training is in."""
        assert self._freezer is not None and optimizer is not None
        for index, (first, end, stage) in enumerate(self._spans):
            if first <= state.global_step < end:
                # A stage is entered once: its span and those before it are dropped.
                del self._spans[: index + 1]
                self._freezer.enter(stage, optimizer)
                return

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remove the hook from the model."""
        self._hook.remove()
