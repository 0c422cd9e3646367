"""The settings of an exported config as those of ``transformers.Trainer``."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import TrainerState, TrainingArguments

from progsearch.config import RunConfig
from progsearch.engine.precision import resolve_precision
from progsearch.errors import ConfigError
from progsearch.extras import check_bitsandbytes
from progsearch.models.span_loss import base_of
from progsearch.schedule.files import given_config
from progsearch.training.trainer_parts import checkpointing_arguments

# The engine's optimizer and learning rate schedule.
_FUSED = "adamw_torch_fused"
_OPTIMIZERS = {"adamw": _FUSED, "adamw-8bit": "adamw_bnb_8bit"}
_LIBRARIES = {_FUSED: "torch", "adamw_bnb_8bit": "bitsandbytes"}
_SCHEDULER = "linear"
_BETAS, _EPSILON = (0.9, 0.999), 1e-8
# Arguments that no file holds and that change what is trained.
_UNSET: dict[str, Any] = {
    "label_smoothing_factor": 0.0,
    "neftune_noise_alpha": None,
    "dataloader_drop_last": False,
    "lr_scheduler_kwargs": None,
    "optim_args": None,
}
_CALL = "training_arguments()"
_OF_TOKENS = "ForTokenClassification"
_USING_NO_COUNT = ("ForSequenceClassification", _OF_TOKENS)


def training_arguments(
    config: str | Path | RunConfig, output_dir: str | Path, **overrides: Any
) -> TrainingArguments:
    """The arguments with which ``transformers.Trainer`` trains as an exported config says.

    Args:
        config: A file that `progsearch export` wrote, or its content.
        output_dir: The Trainer's folder.
        **overrides: Further arguments of ``TrainingArguments``, or other values of those that
            the config sets. Of ``bf16`` and ``fp16`` one replaces the other.

    Raises:
        ConfigError: The file is not such a config, its precision does not exist here, or an
            argument is unknown or not possible.

    Example:
        >>> arguments = training_arguments(  # doctest: +SKIP
        ...     "best.yaml", output_dir="my-model", eval_strategy="epoch"
        ... )
    """
    training = given_config(config).training
    if not isinstance(output_dir, str | os.PathLike):
        raise ConfigError(_CALL, [("output_dir", f"must be a path, got {output_dir!r}")])
    device = _device(overrides.get("use_cpu", False))
    precision = resolve_precision("fp16" if overrides.get("fp16") else training.precision, device)
    if overrides.get("bf16"):
        precision = "bf16"
    arguments: dict[str, Any] = {
        "learning_rate": training.learning_rate,
        # The Trainer counts examples per device.
        "per_device_train_batch_size": max(1, training.batch_size // _devices(overrides)),
        "gradient_accumulation_steps": training.gradient_accumulation,
        "num_train_epochs": training.epochs,
        # Below 1 it is a share of the steps.
        "warmup_steps": training.warmup_ratio,
        "lr_scheduler_type": _SCHEDULER,
        "optim": _OPTIMIZERS[training.optimizer],
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_grad_norm,
        "seed": training.seed,
        "bf16": precision == "bf16",
        # Without a GPU, the Trainer takes bf16 only if it is told so.
        "use_cpu": precision == "bf16" and device.type == "cpu",
        "fp16": precision == "fp16",
    }
    if training.optimizer == "adamw-8bit" and "optim" not in overrides:
        check_bitsandbytes(_CALL, "optimizer adamw-8bit")
    if training.gradient_checkpointing:
        arguments |= checkpointing_arguments(overrides)
    _check_overrides(overrides, arguments)
    try:
        return TrainingArguments(output_dir=str(output_dir), **(arguments | overrides))
    except ValueError as error:
        raise ConfigError(_CALL, [("", " ".join(str(error).split()))]) from None


def _check_overrides(overrides: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Check that overrides are arguments, and numbers where the file has numbers.

    Raises:
        ConfigError: With every mistake.
    """
    known = [field.name for field in fields(TrainingArguments) if field.init]
    problems = []
    for name, value in overrides.items():
        ours = arguments.get(name)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append((name, f"is no argument of transformers.TrainingArguments{hint}"))
        elif _is_number(ours) and not _is_number(value):
            problems.append((name, f"must be a number, got {value!r}"))
    if problems:
        raise ConfigError(_CALL, problems)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences(
    config: RunConfig,
    args: TrainingArguments,
    state: TrainerState,
    model: nn.Module,
    optimizer: Any = None,
    scheduler: Any = None,
) -> list[str]:
    """What a Trainer does otherwise than a config says, as ``NAME is A here and B there``.

    Args:
        config: The config.
        args: The Trainer's arguments.
        state: The Trainer's state when training begins.
        model: The Trainer's model.
        optimizer: Its optimizer, which may be of the user's own making.
        scheduler: Its learning rate scheduler, likewise.
    """
    # The Trainer's wrapper, if there is one.
    optimizer = getattr(optimizer, "optimizer", optimizer)
    scheduler = getattr(scheduler, "scheduler", scheduler)
    found = [
        f"{name} is {_shown(theirs)} in the Trainer and {_shown(ours)} in the file"
        for name, ours, theirs in _compared(config, args, state, model, optimizer)
        if not _same(ours, theirs)
    ]
    found += [
        f"{name} is {_shown(theirs)} in the Trainer and {_shown(ours)} in progsearch"
        for name, ours, theirs in _not_in_the_file(args, optimizer)
        if not _same(ours, theirs)
    ]
    if not _is_the_curve_of(args, state, scheduler):
        found.append(
            f"the learning rate scheduler in the Trainer is of your own making and {_SCHEDULER} "
            "in the file"
        )
    if args.gradient_accumulation_steps > 1 and _adds_losses(model):
        found.append(
            "the loss of a step is the sum over its micro-batches in the Trainer and their mean "
            "in the file (set model.accepts_loss_kwargs = False before you make the Trainer)"
        )
    elif args.gradient_accumulation_steps > 1 and type(base_of(model)).__name__.endswith(
        _OF_TOKENS
    ):
        found.append(
            "the loss of a step is the mean of its micro-batches' means in the Trainer and the "
            "mean over all of its words in the file (make micro-batches as large as the step)"
        )
    if config.training.frozen_dtype == "nf4":
        found.append(
            "the frozen weights are exact in the Trainer and rounded to 4 bits in the file "
            "(`progsearch train` trains so)"
        )
    if config.contribution is not None and config.contribution.rescore:
        found.append(
            "contribution.rescore is true in the file and the Trainer trains the blocks that "
            "stand there, without new scores"
        )
    return found


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
    yield "optim", _OPTIMIZERS[training.optimizer], _optim(args, optimizer)
    yield "weight_decay", training.weight_decay, _weight_decay(args, optimizer)
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


def _optim(args: TrainingArguments, optimizer: Any) -> str:
    optim = str(getattr(args.optim, "value", args.optim))
    if optim == "adamw_torch":
        optim = _FUSED
    own = optimizer is not None and optim in _OPTIMIZERS.values()
    if own and _library(optimizer) != _LIBRARIES[optim]:
        return type(optimizer).__name__
    return optim


def _library(optimizer: Any) -> str | None:
    """The library that an AdamW is from; None if it is another optimizer."""
    if isinstance(optimizer, torch.optim.AdamW):
        return "torch"
    kind = type(optimizer)
    # Not imported: it takes a second, and need not be installed.
    is_theirs = kind.__name__ == "AdamW" and kind.__module__.startswith("bitsandbytes.")
    return "bitsandbytes" if is_theirs else None


def _weight_decay(args: TrainingArguments, optimizer: Any) -> float:
    """The highest of the groups: biases and norms have none."""
    if optimizer is None:
        return float(args.weight_decay)
    return max(float(group.get("weight_decay", 0.0)) for group in optimizer.param_groups)


def _not_in_the_file(args: TrainingArguments, optimizer: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, progsearch's value and value of the Trainer."""
    for name, ours in _UNSET.items():
        yield name, ours, getattr(args, name, ours) or ours
    if optimizer is None or _library(optimizer) in _LIBRARIES.values():
        group = {} if optimizer is None else optimizer.param_groups[0]
        beta1, beta2 = group.get("betas", (args.adam_beta1, args.adam_beta2))
        yield "adam_beta1", _BETAS[0], float(beta1)
        yield "adam_beta2", _BETAS[1], float(beta2)
        yield "adam_epsilon", _EPSILON, float(group.get("eps", args.adam_epsilon))


def _is_the_curve_of(args: TrainingArguments, state: TrainerState, scheduler: Any) -> bool:
    """Whether a scheduler is the one that the arguments ask for, as far as can be told."""
    linear = getattr(args.lr_scheduler_type, "value", "?") == _SCHEDULER
    if scheduler is None or not linear:
        return True
    curves = getattr(scheduler, "lr_lambdas", None)
    if not curves:
        return False
    warmup, total = args.get_warmup_steps(state.max_steps), state.max_steps
    for step in range(0, total, max(1, total // 20)):
        left = (total - step) / max(1, total - warmup)
        wanted = step / warmup if step < warmup else left
        if not all(math.isclose(curve(step), wanted, abs_tol=1e-6) for curve in curves):
            return False
    return True


def _adds_losses(model: nn.Module) -> bool:
    """Whether the Trainer adds up the losses of a step's micro-batches.

    It takes a model that accepts the number of examples for one that divides by it. Those for
    sequence and token classification accept it and do not use it.
    """
    base = base_of(model)
    accepts = getattr(base, "accepts_loss_kwargs", True)
    return bool(accepts) and type(base).__name__.endswith(_USING_NO_COUNT)


def _precision(args: TrainingArguments) -> str:
    if args.bf16:
        return "bf16"
    return "fp16" if args.fp16 else "fp32"


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        return math.isclose(ours, theirs, rel_tol=1e-6)
    return bool(ours == theirs)


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _device(use_cpu: bool) -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() and not use_cpu else "cpu")


def _devices(overrides: dict[str, Any]) -> int:
    """The number of devices that share a batch: of all processes, or of this one's GPUs."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 or overrides.get("use_cpu", False):
        return processes
    return max(1, torch.cuda.device_count())
