"""Leave one out: how much the loss rises without a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class LeaveOneOut(ContributionMetric):
    """Score of block l: ``L(model without l) - L(model)``; L is the mean loss on the probe.

    A block is left out by passing its hidden states on unchanged. This is the removal test of
    Shortened LLaMA (Kim et al. 2024, arXiv 2402.02834), with the task's loss instead of
    perplexity. The score is negative if the loss is lower without the block.
    """

    name = "leave_one_out"
    description = "how much the loss rises when the block is skipped"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        whole = probe.loss()
        scores = []
        for block in range(probe.n_blocks):
            with probe.skipping(block):
                scores.append(probe.loss() - whole)
        return scores
