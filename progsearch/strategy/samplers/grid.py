"""Every point of a space once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from progsearch.strategy.samplers.base import Sampler

if TYPE_CHECKING:
    from progsearch.space.space import Space
    from progsearch.strategy.samplers.finite import FiniteSampler


class Grid(Sampler):
    """Every point once, in an order that the seed shuffles.

    Optuna's own grid needs one list of values for each parameter, so it does not support
    dimensions that apply under a condition.
    """

    name: ClassVar[str] = "grid"
    description: ClassVar[str] = "every point of a space once"

    def make(self, space: Space, seed: int) -> FiniteSampler:
        """A sampler that ends after the last point."""
        import numpy as np

        from progsearch.strategy.samplers.finite import FiniteSampler

        points = list(space.points())
        np.random.default_rng(seed).shuffle(points)
        return FiniteSampler(points)

    def check(self, space: Space) -> None:
        """Refuse an infinite space.

        Raises:
            ConfigError: A dimension is a range without a step.
        """
        space.points()
