"""First-order Taylor importance: the effect on the loss of setting a block's weights to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class Taylor(ContributionMetric):
    """Score of block l: ``sum over w in W_l of mean over examples i of (w * dL_i/dw)^2``.

    Each term is the squared first-order change of the loss L_i of one example if w is set to
    zero: eq. 8 of Molchanov et al. 2019, "Importance estimation for neural network pruning",
    arXiv 1906.10771, summed over the structure and averaged over minibatches, as in the paper. A
    minibatch is one example here, which gave the best agreement between seeds.
    """

    name = "taylor"
    description = "first-order effect on the loss of zeroing the block's weights one by one"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        return [
            sum(
                float((parameter.detach().square() * square).sum())
                for parameter, square in zip(probe.parameters(block), squares, strict=True)
            )
            for block, squares in enumerate(probe.squared_gradients)
        ]
