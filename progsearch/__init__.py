"""Search of progressive fine-tuning schedules for Transformers.

``Schedule`` is data, ``ProgtuningCallback`` runs one inside ``transformers.Trainer`` and
``search`` finds good ones. The heavy libraries are imported on first use only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Makes the built-in methods and samplers known to `progsearch.config`, which cannot import what
# lies above it; Python runs this file before any other module of the package.
import progsearch.methods
import progsearch.strategy.samplers  # noqa: F401
from progsearch.api import confirm, load_study, resume, search
from progsearch.schedule import Schedule, ScheduleSpec, Stage
from progsearch.version import __version__

if TYPE_CHECKING:
    from progsearch.methods.fitting import prepare_model as prepare_model
    from progsearch.models.references import model_path as model_path
    from progsearch.results import Pick as Pick
    from progsearch.results import Study as Study
    from progsearch.training.callback import ProgtuningCallback as ProgtuningCallback
    from progsearch.training.trainer_settings import training_arguments as training_arguments

__all__ = [
    "Pick",
    "ProgtuningCallback",
    "Schedule",
    "ScheduleSpec",
    "Stage",
    "Study",
    "__version__",
    "confirm",
    "load_study",
    "model_path",
    "prepare_model",
    "resume",
    "search",
    "training_arguments",
]

# Lazy, so that `import progsearch` and `progsearch --help` stay free of torch and ray.
_PLACES = {
    "Pick": "progsearch.results",
    "ProgtuningCallback": "progsearch.training.callback",
    "Study": "progsearch.results",
    "model_path": "progsearch.models.references",
    "prepare_model": "progsearch.methods.fitting",
    "training_arguments": "progsearch.training.trainer_settings",
}


def __dir__() -> list[str]:
    """With the names that are imported on first use, for completion."""
    return sorted({*globals(), *_PLACES})


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'progsearch' has no attribute {name!r}")
