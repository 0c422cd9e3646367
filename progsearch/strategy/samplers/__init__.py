"""Samplers: they choose the points of a search.

Other packages add samplers through the entry point group ``progsearch.samplers``. Importing this
package imports no Optuna, and makes the built-in samplers known to `progsearch.config`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progsearch.config.sampler import SAMPLERS
from progsearch.strategy.samplers.base import Sampler
from progsearch.strategy.samplers.ehvi import Ehvi
from progsearch.strategy.samplers.grid import Grid
from progsearch.strategy.samplers.optuna import Gp, Nsga2, Random, Tpe

if TYPE_CHECKING:
    from progsearch.strategy.samplers.draws import Draw as Draw
    from progsearch.strategy.samplers.draws import Draws as Draws

__all__ = ["Draw", "Draws", "Sampler"]

for _sampler in (Ehvi, Tpe, Nsga2, Gp, Random, Grid):
    SAMPLERS.add(_sampler)


def __getattr__(name: str) -> Any:
    # Lazy, so that recipes are checked without Optuna.
    if name in ("Draw", "Draws"):
        from progsearch.strategy.samplers import draws

        return getattr(draws, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
