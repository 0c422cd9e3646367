"""What every contribution metric promises.

Metrics reach torch through the `Probe` alone, so that listing them imports no heavy library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class ContributionMetric(ABC):
    """A score per block: the higher, the more the block is worth training.

    A metric gives the same scores for the same probe and leaves the probe's model as it found
    it: weights, ``requires_grad`` flags and mode. Scores need no common scale, since schedules
    are made from the scores of one metric at a time.

    Attributes:
        name: What users write; the name of the entry point for a metric of another package.
        description: One line for ``progsearch ls metrics``.
        version: Part of the cache key: raise it when the same probe gets other scores.
        by_gradients: Whether it reads only weights and `Probe.gradients`. In the middle of a
            training, these may then be the gradients of its last steps.

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
