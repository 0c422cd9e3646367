"""Where runs may be logged to, checked without Ray."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec

from progsearch.config import LogTarget
from progsearch.errors import ConfigError
from progsearch.extras import install_line

_MODULES: dict[LogTarget, str] = {
    "tensorboard": "tensorboardX",
    "mlflow": "mlflow",
    "wandb": "wandb",
}


def check_log_targets(targets: Sequence[LogTarget]) -> None:
    """Check that runs can be logged there, before any work.

    Raises:
        ConfigError: A package is missing, or it knows no account.
    """
    problems = [
        f"{target} is not installed: run {install_line(target)}"
        for target in targets
        if not _is_installed(_MODULES[target])
    ]
    if not problems and "wandb" in targets and not _wandb_has_account():
        problems = [
            "wandb knows no account; run `wandb login`, or set WANDB_MODE=offline to keep its "
            "files in the study's folder"
        ]
    if problems:
        raise ConfigError("log_to", [("", problem) for problem in problems])


def _is_installed(module: str) -> bool:
    # A folder of that name, such as the one for wandb's own files, is a module without a file.
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def _wandb_has_account() -> bool:
    if os.environ.get("WANDB_MODE") in ("offline", "disabled") or "WANDB_API_KEY" in os.environ:
        return True
    import wandb

    api = getattr(wandb, "api", None)
    return api is None or bool(api.api_key)
