"""The base class of contribution metrics.

Metrics use torch only through the `Probe`, so that listing them does not import heavy libraries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class ContributionMetric(ABC):
    """A score per block: the higher, the more the block is worth training.

    A metric returns the same scores for the same probe and does not change the probe's model:
    weights, ``requires_grad`` flags and mode. Scores of different metrics need no common scale,
    since a schedule uses one metric.

    Attributes:
        name: The name that users write; for another package, the name of its entry point.
        description: One line for ``progsearch ls contribution-metrics``.
        version: Part of the cache key: raise it if the same probe now gets other scores.
        by_gradients: Whether it reads only weights and `Probe.gradients`. During training, the
            latest gradients of the training may then be used.

    Example:
        >>> from progsearch.contribution import ContributionMetric, Probe
        >>> class MeanWeight(ContributionMetric):
        ...     name = "mean_weight"
        ...     description = "mean absolute weight of the block"
        ...
        ...     def scores(self, probe: Probe) -> list[float]:
        ...         return [
        ...             sum(float(p.detach().abs().sum()) for p in parameters)
        ...             / sum(p.numel() for p in parameters)
        ...             for parameters in map(probe.parameters, range(probe.n_blocks))
        ...         ]
    """

    name: ClassVar[str]
    description: ClassVar[str]
    version: ClassVar[int] = 1
    by_gradients: ClassVar[bool] = False

    @abstractmethod
    def scores(self, probe: Probe) -> list[float]:
        """One finite score per block, input side first."""
