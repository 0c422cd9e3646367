"""The settings of an exported config as those of ``transformers.Trainer``."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import TrainerState, TrainingArguments

from progsearch.config import RunConfig
from progsearch.engine.precision import resolve_precision
from progsearch.schedule.files import read_config

# The engine's optimizer and learning rate schedule.
_OPTIMIZER = "adamw_torch_fused"
_OPTIMIZERS = ("adamw_torch", _OPTIMIZER)
_SCHEDULER = "linear"


def training_arguments(
    config: str | Path | RunConfig, output_dir: str | Path, **overrides: Any
) -> TrainingArguments:
    """The arguments with which ``transformers.Trainer`` trains as an exported config says.

    Args:
        config: A file that `progsearch export` wrote, or its content.
        output_dir: The Trainer's folder.
        **overrides: Further arguments of ``TrainingArguments``, or other values of those that
            the config sets.

    Raises:
        ConfigError: The file is not such a config, or its precision does not exist here.

    Example:
        >>> arguments = training_arguments(  # doctest: +SKIP
        ...     "best.yaml", output_dir="my-model", eval_strategy="epoch"
        ... )
    """
    if not isinstance(config, RunConfig):
        config = read_config(config)
    training = config.training
    device = _device(overrides.get("use_cpu", False))
    precision = resolve_precision(training.precision, device)
    arguments = {
        "learning_rate": training.learning_rate,
        # The Trainer counts examples per device.
        "per_device_train_batch_size": max(1, training.batch_size // _devices(overrides)),
        "gradient_accumulation_steps": training.gradient_accumulation,
        "num_train_epochs": training.epochs,
        # Below 1 it is a share of the steps.
        "warmup_steps": training.warmup_ratio,
        "lr_scheduler_type": _SCHEDULER,
        "optim": _OPTIMIZER,
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_grad_norm,
        "seed": training.seed,
        "bf16": precision == "bf16",
        # Without a GPU, the Trainer takes bf16 only if it is told so.
        "use_cpu": precision == "bf16" and device.type == "cpu",
        "fp16": precision == "fp16",
    }
    return TrainingArguments(output_dir=str(output_dir), **(arguments | overrides))


def differences(
    config: RunConfig,
    args: TrainingArguments,
    state: TrainerState,
    model: nn.Module,
    optimizer: Any = None,
) -> list[str]:
    """What a Trainer does otherwise than a config says, as ``NAME is A here and B there``.

    Args:
        config: The config.
        args: The Trainer's arguments.
        state: The Trainer's state when training begins.
        model: The Trainer's model.
        optimizer: Its optimizer, which may be of the user's own making.
    """
    return [
        f"{name} is {_shown(theirs)} in the Trainer and {_shown(ours)} in the file"
        for name, ours, theirs in _compared(config, args, state, model, optimizer)
        if not _same(ours, theirs)
    ]


def _compared(
    config: RunConfig,
    args: TrainingArguments,
    state: TrainerState,
    model: nn.Module,
    optimizer: Any,
) -> Iterator[tuple[str, Any, Any]]:
    """Name, value of the config and value of the Trainer."""
    training = config.training
    yield "learning_rate", training.learning_rate, _learning_rate(args, optimizer)
    examples = training.batch_size * training.gradient_accumulation
    of_step = (state.train_batch_size or args.train_batch_size) * args.world_size
    of_step *= args.gradient_accumulation_steps
    yield "the number of examples per step (batch size times accumulation)", examples, of_step
    if args.max_steps > 0:
        yield "num_train_epochs", training.epochs, f"replaced by max_steps={args.max_steps}"
    else:
        yield "num_train_epochs", training.epochs, args.num_train_epochs
    warmup = math.ceil(training.warmup_ratio * state.max_steps)
    yield "the number of warm-up steps", warmup, args.get_warmup_steps(state.max_steps)
    yield "lr_scheduler_type", _SCHEDULER, getattr(args.lr_scheduler_type, "value", "?")
    optim = str(getattr(args.optim, "value", args.optim))
    yield "optim", _OPTIMIZER, _OPTIMIZER if optim in _OPTIMIZERS else optim
    yield "weight_decay", training.weight_decay, args.weight_decay
    yield "max_grad_norm", training.max_grad_norm, args.max_grad_norm
    precision = resolve_precision(training.precision, torch.device(args.device.type))
    yield "the precision", precision, _precision(args)
    dtypes = {str(p.dtype).removeprefix("torch.") for p in model.parameters()}
    yield "the type of the weights", "float32", ", ".join(sorted(dtypes))
    yield "seed", training.seed, args.seed


def _learning_rate(args: TrainingArguments, optimizer: Any) -> float | str:
    """The rate before warm-up; that of an optimizer of the user's own, if there is one."""
    if optimizer is None:
        return float(args.learning_rate)
    rates = {float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups}
    return rates.pop() if len(rates) == 1 else f"{len(rates)} different rates"


def _precision(args: TrainingArguments) -> str:
    if args.bf16:
        return "bf16"
    return "fp16" if args.fp16 else "fp32"


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        return math.isclose(ours, theirs, rel_tol=1e-6)
    return bool(ours == theirs)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _device(use_cpu: bool) -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() and not use_cpu else "cpu")


def _devices(overrides: dict[str, Any]) -> int:
    """The number of devices that share a batch: of all processes, or of this one's GPUs."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 or overrides.get("use_cpu", False):
        return processes
    return max(1, torch.cuda.device_count())
