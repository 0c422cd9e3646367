"""Search of progressive fine-tuning schedules for Transformers.

``Schedule`` is data, ``ProgtuningCallback`` runs one inside ``transformers.Trainer`` and
``search`` finds good ones. The heavy libraries are imported on first use only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Makes the built-in methods and samplers known to `progsearch.config`, which cannot import what
# lies above it; Python runs this file before any other module of the package.
import progsearch.methods
import progsearch.strategy.samplers  # noqa: F401
from progsearch.api import confirm, load_study, resume, search
from progsearch.schedule import Schedule, ScheduleSpec, Stage
from progsearch.version import __version__

if TYPE_CHECKING:
    from progsearch.results import Pick as Pick
    from progsearch.results import Study as Study
    from progsearch.training.callback import ProgtuningCallback as ProgtuningCallback

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
    "resume",
    "search",
]


def __getattr__(name: str) -> Any:
    # Lazy, so that `import progsearch` and `progsearch --help` stay free of torch and ray.
    if name == "ProgtuningCallback":
        from progsearch.training.callback import ProgtuningCallback

        return ProgtuningCallback
    if name in ("Pick", "Study"):
        from progsearch import results

        return getattr(results, name)
    raise AttributeError(f"module 'progsearch' has no attribute {name!r}")
