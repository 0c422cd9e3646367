"""Whether a model that others prepared trains what a method says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from progsearch.config import METHODS, MethodSettings, RunConfig, method_of
from progsearch.errors import MethodError, ModelError, ScheduleError
from progsearch.methods.applying import apply_method, trains, usable
from progsearch.methods.base import Method
from progsearch.models.anatomy import Anatomy, find_anatomy
from progsearch.schedule.files import given_config, known_blocks


def prepare_model(model: nn.Module, config: str | Path | RunConfig) -> None:
    """Add the modules of an exported config's method to ``model``, in place.

    For LoRA and adapters in one's own Trainer: call it before the Trainer is made. After the
    training, `progsearch.methods.merge_method` merges LoRA's matrices into the weights.

    Args:
        model: A model of transformers, without the modules of any method.
        config: A file that `progsearch export` wrote, or its content.

    Raises:
        ConfigError: The file is not such a config.
        ModelError: It is not a model, or its parts cannot be found.
        MethodError: The method does not fit the model, or the model has such modules already.
        ScheduleError: The file is for another number of blocks.
    """
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"prepare_model needs a loaded model and then the file, got {type(model).__name__}; "
            "load it with AutoModelForSequenceClassification.from_pretrained"
        )
    config = given_config(config)
    _check_exact(config.method)
    _check_plain(model)
    anatomy = find_anatomy(model)
    check_blocks(known_blocks(config.costs) or anatomy.n_blocks, anatomy)
    apply_method(model, anatomy, config.method, config.training.seed)


def check_blocks(n_blocks: int, anatomy: Anatomy) -> None:
    """Check that a schedule for ``n_blocks`` blocks fits a model.

    Raises:
        ScheduleError: The model has another number.
    """
    if anatomy.n_blocks != n_blocks:
        raise ScheduleError(
            f"the schedule is for {n_blocks} blocks and the model has {anatomy.n_blocks}; use a "
            "schedule made for this model"
        )


def check_method(model: nn.Module, anatomy: Anatomy, settings: MethodSettings) -> list[str]:
    """What a model trains otherwise than a method says, each as part of a sentence.

    Raises:
        MethodError: The model lacks the method's modules, or a Trainer cannot use the method.
    """
    method = usable(settings)
    _check_exact(method)
    found = method.found_in(model)
    if found is None:
        raise MethodError(
            f"the method of the file is {method.name} and the model lacks its modules; call "
            "progsearch.prepare_model(model, FILE) before you make the Trainer"
        )
    wanted = method.model_dump()
    different = [
        f"{name} is {value} in the Trainer and {wanted[name]} in the file"
        for name, value in found.items()
        if value != wanted[name]
    ]
    different += [
        f"the method is {name} in the Trainer and {method.name} in the file"
        for name in _modules_of(model)
        if name != method.name
    ]
    different += method.differs(model, anatomy)
    trains = _trained_by(method, model, anatomy)
    requiring = {name: p.requires_grad for name, p in model.named_parameters()}
    frozen = [name for name in trains if not requiring[name]]
    if frozen:
        different.append(f"{_these(frozen, method)} in the file and frozen in the Trainer")
    # `restrict` freezes the others if the method adds nothing.
    others = [name for name, required in requiring.items() if required and name not in trains]
    if others and found:
        different.append(f"{_these(others)} in the Trainer and frozen in the file")
    return different


def restrict(model: nn.Module, anatomy: Anatomy, settings: MethodSettings) -> None:
    """Freeze what a method that adds nothing to the model does not train."""
    method = usable(settings)
    if method.found_in(model) == {}:
        trains = set(_trained_by(method, model, anatomy))
        for name, parameter in model.named_parameters():
            if name not in trains:
                parameter.requires_grad_(False)


def _check_exact(method: MethodSettings) -> None:
    """Check that a method leaves frozen weights as they are."""
    if method.frozen_dtype is not None:
        raise MethodError(
            f"the method of the file is {method.name}, which holds frozen weights in "
            f"{method.frozen_dtype}, and only progsearch's own training does so: run "
            "`progsearch train FILE --output-dir DIR`, or export a schedule of lora"
        )


def _check_plain(model: nn.Module) -> None:
    """Check that no method was applied to the model before."""
    before = _modules_of(model)
    # Methods of peft that progsearch does not have leave this attribute, too.
    if before or hasattr(model, "peft_config"):
        what = f"the modules of {before[0]}" if before else "modules of peft"
        raise MethodError(
            f"the model has {what} already; load it anew and call prepare_model once, or leave it "
            "as it is and give it to the Trainer"
        )


def _modules_of(model: nn.Module) -> list[str]:
    """The built-in methods whose modules a model has."""
    return [name for name in METHODS.built_in if usable(method_of(name)).found_in(model)]


def _trained_by(method: Method, model: nn.Module, anatomy: Anatomy) -> list[str]:
    """The names of the parameters that a method trains in a prepared model."""
    added = set(method.added_to(model))
    return [
        name
        for name, parameter in model.named_parameters()
        # Peft keeps an unused copy of a head that it trains.
        if ".original_module." not in name
        and trains(method, model, anatomy, name, parameter, added=parameter in added)
    ]


def _these(names: Sequence[str], method: Method | None = None) -> str:
    several = f"{len(names)} tensors" if len(names) > 1 else "a tensor"
    are = "are" if len(names) > 1 else "is"
    return f"{several} ({names[0]}{', ...' if len(names) > 1 else ''}) {are} trained" + (
        f" by {method.name}" if method else ""
    )
