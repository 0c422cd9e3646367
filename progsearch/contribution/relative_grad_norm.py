"""Relative gradient norm (RGN): the gradient norm relative to the size of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric
from progsearch.contribution.grad_norm import l2_norm

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class RelativeGradNorm(ContributionMetric):
    """Score of block l: ``||dL/dW_l||_2 / ||W_l||_2``; L is the mean loss on the probe.

    RGN as in Lee et al. 2022, "Surgical fine-tuning improves adaptation to distribution shifts",
    arXiv 2210.11466, whose Auto-RGN trains layers of high RGN with a higher learning rate.
    """

    name = "relative_grad_norm"
    version = 2
    by_gradients = True
    description = "gradient norm over weight norm of the block (RGN)"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        return [
            l2_norm(gradient) / l2_norm(probe.parameters(block))
            for block, gradient in enumerate(probe.gradients)
        ]
