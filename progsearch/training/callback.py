"""Runs a schedule inside the user's own ``transformers.Trainer``."""

from __future__ import annotations

import logging
import weakref
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from progsearch.config import RunConfig
from progsearch.engine.freezer import Freezer
from progsearch.errors import ProgsearchError, ScheduleError
from progsearch.methods.fitting import check_blocks, check_method, restrict
from progsearch.models.anatomy import find_anatomy
from progsearch.models.span_loss import answers_questions, base_of, leave_out_padding
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Schedule, Stage
from progsearch.schedule.files import blocks_of_model, given_config, known_blocks
from progsearch.training.trainer_parts import check_trained
from progsearch.training.trainer_settings import differences

_log = logging.getLogger(__name__)

# The callback that trains a model now, or whose training was interrupted.
_active: weakref.WeakKeyDictionary[nn.Module, weakref.ref[ProgtuningCallback]] = (
    weakref.WeakKeyDictionary()
)


class ProgtuningCallback(TrainerCallback):  # type: ignore[misc]
    """Freezes and unfreezes the model's parts according to a schedule.

    The schedule applies to the parameters that require a gradient when training starts: all
    parameters in full fine-tuning, LoRA's matrices in a peft model.

    Given a file of ``progsearch export``, it also compares the Trainer's settings with it and
    warns of each difference: `training_arguments` gives those that match. The method of the file
    must fit the model: for LoRA and adapters call `prepare_model` before the Trainer is made.

    It logs when a stage begins, to stderr unless the program has set up logging. After the
    training, all parameters that required a gradient before it do so again.

    The data is the Trainer's own. A search trains numbers standardised: to train as it did, give
    labels minus their mean and divided by their standard deviation over the training rows, and
    multiply and add the same to what the model predicts. For several labels per row, give 0 and 1
    as floats, and a model with ``problem_type="multi_label_classification"``. While a model for
    question answering is trained, padding is left out of its loss, as in a search.

    Args:
        schedule: A file that `progsearch export` wrote, or only the stages; they must fit the
            model's number of blocks.

    Raises:
        ConfigError: The file is not such a config, or ``schedule`` is none of these.

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
        if not isinstance(schedule, Schedule):
            self._config = given_config(schedule)
            schedule = _schedule_of(
                self._config, blocks_of_model(self._config.stages, self._config.costs)
            )
        self.schedule = schedule
        self._state: TrainerState | None = None
        self._required: list[nn.Parameter] = []
        self._spans: list[tuple[int, int, Stage]] = []
        self._freezer: Freezer | None = None
        self._hooks: list[RemovableHandle] = []

    def on_init_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        """Undo what an interrupted training left frozen, before an optimizer is made."""
        if model is not None:
            _release(model)

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
            ScheduleError: The schedule is for another number of blocks, the optimizer lacks
                parameters that it trains, or the Trainer has two such callbacks.
            MethodError: The method of the file does not fit the model, or the blocks that the
                schedule trains were frozen before.
        """
        assert model is not None, "transformers passes the model to each callback"
        _check_is_alone(model, state)
        _release(model)
        anatomy = find_anatomy(model)
        if self._config is not None and known_blocks(self._config.costs) is None:
            # Blocks above the highest that is trained are not in the file.
            self.schedule = _schedule_of(self._config, anatomy.n_blocks)
        check_blocks(self.schedule.n_blocks, anatomy)
        _show_log()
        if self._config is not None:
            scheduler = kwargs.get("lr_scheduler")
            settings = differences(self._config, args, state, model, optimizer, scheduler)
            self._warn_of(settings, "training_arguments")
            self._warn_of(check_method(model, anatomy, self._config.method), "prepare_model")
        required = [p for p in model.parameters() if p.requires_grad]
        if self._config is not None:
            restrict(model, anatomy, self._config.method)
        trainable = TrainableParameters.of(model, anatomy)
        try:
            check_trained(self.schedule, trainable, model, optimizer)
        except ProgsearchError:
            _unfreeze(required)
            raise
        self._required, self._state = required, state
        self._spans = self.schedule.spans(state.max_steps)
        self._n_stages = len(self._spans)
        self._freezer = Freezer(model, anatomy, trainable)
        # The Trainer calls `model.train()` before each step, which turns on the dropout of frozen
        # parts again.
        self._hooks = [model.register_forward_pre_hook(self._freeze_modes)]
        base = base_of(model)
        if answers_questions(base):
            self._hooks.append(leave_out_padding(base))
            _log.info(
                "padding is left out of the loss of %s, as in progsearch", type(base).__name__
            )
        _active[model] = weakref.ref(self)

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
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        """Leave the model as it was, but for its weights."""
        assert model is not None
        _release(model)

    def _freeze_modes(self, module: nn.Module, inputs: Any) -> None:
        if module.training and self._freezer is not None:
            self._freezer.freeze_modes()

    def _warn_of(self, found: list[str], cure: str) -> None:
        for difference in found:
            _log.warning(
                "%s: %s, so it trains something else; see progsearch.%s",
                *(self._source, difference, cure),
            )

    def _end(self) -> None:
        """End a training, also an interrupted one."""
        for hook in self._hooks:
            hook.remove()
        _unfreeze(self._required)
        self._freezer, self._state, self._required = None, None, []


def _check_is_alone(model: nn.Module, state: TrainerState) -> None:
    """Check that no other callback of the same Trainer trains the model."""
    other = _active[model]() if model in _active else None
    if other is not None and other._state is state:
        _release(model)
        raise ScheduleError(
            "this Trainer has two ProgtuningCallbacks, which would freeze what the other trains; "
            "give it one"
        )


def _release(model: nn.Module) -> None:
    """End the training of a model that was interrupted, if there was one."""
    reference = _active.pop(model, None)
    callback = None if reference is None else reference()
    if callback is not None:
        callback._end()


def _unfreeze(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.requires_grad_(True)


def _schedule_of(config: RunConfig, n_blocks: int) -> Schedule:
    return Schedule.from_dicts([stage.model_dump() for stage in config.stages], n_blocks)


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
