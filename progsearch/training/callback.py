"""Runs a schedule inside the user's own ``transformers.Trainer``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from progsearch.config import RunConfig
from progsearch.engine.freezer import Freezer
from progsearch.errors import ScheduleError
from progsearch.methods.fitting import check_method, restrict
from progsearch.models.anatomy import find_anatomy
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Schedule, Stage
from progsearch.schedule.files import blocks_of_model, read_config
from progsearch.training.trainer_settings import differences

_log = logging.getLogger(__name__)


class ProgtuningCallback(TrainerCallback):  # type: ignore[misc]
    """Freezes and unfreezes the model's parts according to a schedule.

    The schedule applies to the parameters that require a gradient when training starts: all
    parameters in full fine-tuning, LoRA's matrices in a peft model.

    Given a file of ``progsearch export``, it also compares the Trainer's settings with it and
    warns of each difference: `training_arguments` gives those that match. The method of the file
    must fit the model: for LoRA and adapters call `prepare_model` before the Trainer is made.

    It logs when a stage begins, to stderr unless the program has set up logging.

    The data is the Trainer's own. A search trains numbers standardised: to train as it did, give
    labels minus their mean and divided by their standard deviation over the training rows, and
    multiply and add the same to what the model predicts. For several labels per row, give 0 and 1
    as floats, and a model with ``problem_type="multi_label_classification"``.

    Args:
        schedule: A file that `progsearch export` wrote, or only the stages; they must fit the
            model's number of blocks.

    Raises:
        ConfigError: The file is not such a config.

    Example:
        >>> trainer = Trainer(  # doctest: +SKIP
        ...     model=model,
        ...     args=training_arguments("best.yaml", output_dir="my-model"),
        ...     train_dataset=train,
        ...     callbacks=[ProgtuningCallback("best.yaml")],
        ... )
    """

    def __init__(self, schedule: str | Path | RunConfig | Schedule) -> None:
        self._config: RunConfig | None = None
        self._source = "the config" if isinstance(schedule, RunConfig) else str(schedule)
        if isinstance(schedule, (str, Path)):
            schedule = read_config(schedule)
        if isinstance(schedule, RunConfig):
            self._config = schedule
            stages = [stage.model_dump() for stage in schedule.stages]
            schedule = Schedule.from_dicts(
                stages, blocks_of_model(schedule.stages, schedule.costs)
            )
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
        optimizer: Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Find the parts of the model; the optimizer already holds its parameters.

        Raises:
            ScheduleError: The schedule is for another number of blocks.
            MethodError: The method of the file does not fit the model.
        """
        assert model is not None, "transformers passes the model to each callback"
        anatomy = find_anatomy(model)
        if anatomy.n_blocks != self.schedule.n_blocks:
            raise ScheduleError(
                f"the schedule is for {self.schedule.n_blocks} blocks and the model has "
                f"{anatomy.n_blocks}; use a schedule made for this model"
            )
        _show_log()
        if self._config is not None:
            found = differences(self._config, args, state, model, optimizer)
            found += check_method(model, anatomy, self._config.method)
            for difference in found:
                _log.warning(
                    "%s: %s, so it trains something else; see progsearch.training_arguments",
                    self._source,
                    difference,
                )
            restrict(model, anatomy, self._config.method)
        self._spans = self.schedule.spans(state.max_steps)
        self._n_stages = len(self._spans)
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
        model: nn.Module | None = None,
        optimizer: Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Enter the stage that begins at this step, or that a resumed training is in."""
        assert self._freezer is not None and optimizer is not None and model is not None
        for index, (first, end, stage) in enumerate(self._spans):
            if first <= state.global_step < end:
                # A stage is entered once: its span and those before it are dropped.
                del self._spans[: index + 1]
                self._freezer.enter(stage, optimizer)
                if state.is_world_process_zero:
                    number = self._n_stages - len(self._spans)
                    _log.info(
                        "stage %d of %d, steps %d to %d of %d: trains %s (%.1f %% of the "
                        "parameters)",
                        *(number, self._n_stages, first + 1, end, state.max_steps),
                        *(stage.in_words(), 100 * _trained_share(model)),
                    )
                return

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remove the hook from the model."""
        self._hook.remove()


def _trained_share(model: nn.Module) -> float:
    parameters = list(model.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    return trained / sum(p.numel() for p in parameters)


def _show_log() -> None:
    """Show the log on stderr if the program has set up no logging."""
    if not _log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        _log.addHandler(handler)
        _log.setLevel(logging.INFO)
