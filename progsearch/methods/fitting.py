"""Whether a model that others prepared trains what a method says."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from progsearch.config import MethodSettings, RunConfig
from progsearch.errors import MethodError
from progsearch.methods.applying import apply_method, usable
from progsearch.models.anatomy import Anatomy, find_anatomy
from progsearch.schedule.files import read_config


def prepare_model(model: nn.Module, config: str | Path | RunConfig) -> None:
    """Add the modules of an exported config's method to ``model``, in place.

    For LoRA and adapters in one's own Trainer: call it before the Trainer is made. After the
    training, `progsearch.methods.merge_method` merges LoRA's matrices into the weights.

    Args:
        model: A model of transformers.
        config: A file that `progsearch export` wrote, or its content.

    Raises:
        ConfigError: The file is not such a config.
        MethodError: The method does not fit the model.
    """
    if not isinstance(config, RunConfig):
        config = read_config(config)
    apply_method(model, find_anatomy(model), config.method, config.training.seed)


def check_method(model: nn.Module, anatomy: Anatomy, settings: MethodSettings) -> list[str]:
    """What a model trains otherwise than a method says, as ``NAME is A here and B there``.

    Raises:
        MethodError: The model lacks the method's modules, or has none of its parameters.
    """
    method = usable(settings)
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
    trained = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and isinstance(anatomy.part_of(name), int)
    ]
    if not trained:
        raise MethodError(
            "no parameter of the model's blocks requires a gradient, so no schedule can train "
            "them; make the Trainer before anything is frozen"
        )
    frozen = [
        name
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad
        and anatomy.part_of(name) != "head"
        and method.name == "full"
    ]
    if frozen:
        different.append(
            f"the method is full in the file and {len(frozen)} of the model's tensors are frozen "
            f"in the Trainer, {frozen[0]} among them"
        )
    return different


def restrict(model: nn.Module, anatomy: Anatomy, settings: MethodSettings) -> None:
    """Freeze what a method that adds nothing to the model does not train."""
    method = usable(settings)
    if method.found_in(model) == {}:
        for name, parameter in model.named_parameters():
            if anatomy.part_of(name) != "head" and not method.trains(name, parameter, added=False):
                parameter.requires_grad_(False)
