"""What transformers does not promise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

# The patterns of `transformers.Trainer.get_decay_parameter_names`.
_NO_DECAY = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]


def commit_of(config: Any) -> str | None:
    """The hub's commit that a config was loaded from; None for local files.

    No public attribute says it, and the content of a hub's model can change under its name.
    """
    commit: str | None = getattr(config, "_commit_hash", None)
    return commit


def decayed_parameters(model: nn.Module) -> set[str]:
    """The names of the parameters that `transformers.Trainer` gives weight decay.

    Biases and the weights of norms have none. The function that finds them is a helper of the
    Trainer, which has no public form for a model without a Trainer.
    """
    from torch import nn
    from transformers.trainer_pt_utils import get_parameter_names

    return set(get_parameter_names(model, [nn.LayerNorm], _NO_DECAY))


def has_model(auto_class: Any, config: Any) -> bool:
    """Whether ``auto_class`` knows a model for a config.

    It says so only by an error that names all configs it knows.
    """
    return type(config) in auto_class._model_mapping


def types_with_model(auto_class: Any, model_types: Iterable[str]) -> list[str]:
    """Those of the model types, by their names in configs, that ``auto_class`` knows a model for.

    To iterate over all that it knows would import each of them.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return [name for name in model_types if CONFIG_MAPPING[name] in auto_class._model_mapping]


def body_renamed(auto_class: Any, config: Any) -> dict[str, str]:
    """How the names of an architecture's weights are changed for a model that calls its body so.

    Llama and its like are saved with ``model.`` before the names of the body, and their models for
    question answering expect ``transformer.``: transformers then starts from a random body.

    Returns:
        Patterns and what replaces them, as ``from_pretrained`` takes them; empty if the names are
        the same.
    """
    kind = auto_class._model_mapping[type(config)]
    usual = next(
        base.base_model_prefix
        for base in reversed(kind.__mro__)
        if getattr(base, "base_model_prefix", "") and base.__name__.endswith("PreTrainedModel")
    )
    own = kind.base_model_prefix
    return {} if own == usual else {rf"^{usual}\.": f"{own}."}


def forget_renaming(model: Any) -> None:
    """Have a model be saved under its own names, not under those of the files it came from."""
    model._weight_conversions = None


def has_adapter(model: Any) -> bool:
    """Whether an adapter was attached to a model when it was loaded.

    `active_adapters` raises an error without one and needs PEFT.
    """
    return bool(getattr(model, "_hf_peft_config_loaded", False))
