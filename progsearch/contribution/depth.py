"""Depth: the block's position, which assumes that blocks are frozen from the input up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class Depth(ContributionMetric):
    """Score of block l of L (from 1): ``l / L``.

    Blocks near the output are the task-specific ones, so Progtuning freezes those near the input
    first (Ji et al. 2024, arXiv 2506.21119). Reads neither weights nor data.
    """

    name = "depth"
    description = "the block's position: the last block contributes most (the paper's order)"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        return [(block + 1) / probe.n_blocks for block in range(probe.n_blocks)]
