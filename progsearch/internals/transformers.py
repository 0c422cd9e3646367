"""What transformers does not promise."""

from __future__ import annotations

from typing import Any


def commit_of(config: Any) -> str | None:
    """The hub's commit that a config was loaded from; None for local files.

    No public attribute says it, and the content of a hub's model can change under its name.
    """
    commit: str | None = getattr(config, "_commit_hash", None)
    return commit


def has_model(auto_class: Any, config: Any) -> bool:
    """Whether ``auto_class`` knows a model for a config.

    It says so only by an error that names all configs it knows.
    """
    return type(config) in auto_class._model_mapping


def has_adapter(model: Any) -> bool:
    """Whether an adapter was attached to a model when it was loaded.

    `active_adapters` raises an error without one and needs PEFT.
    """
    return bool(getattr(model, "_hf_peft_config_loaded", False))
