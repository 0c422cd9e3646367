"""Random scores: the baseline that every other contribution metric has to beat."""

from __future__ import annotations

from random import Random as Generator
from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class Random(ContributionMetric):
    """Score of each block: uniform in [0, 1); depends only on the probe's seed."""

    name = "random"
    description = "random scores, the baseline that other metrics have to beat"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        generator = Generator(probe.seed)
        return [generator.random() for _ in range(probe.n_blocks)]
