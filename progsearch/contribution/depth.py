"""Position as contribution: the assumption of freezing from the input up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class Depth(ContributionMetric):
    """Score of block l of L (from 1): ``l / L``.

    High blocks are the task-specific ones, so Progtuning freezes the low ones first (Ji et al.
    2024, arXiv 2506.21119). Reads neither weights nor data.
    """

    name = "depth"
    description = "the higher the block, the more it contributes (the paper's order)"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        return [(block + 1) / probe.n_blocks for block in range(probe.n_blocks)]
