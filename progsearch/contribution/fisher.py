"""Fisher information: how much the model's outputs depend on a block's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe


class Fisher(ContributionMetric):
    """Score of block l: ``sum over w in W_l of mean over examples i of (dL_i/dw)^2``.

    The trace of the block's part of the diagonal Fisher information, by which Kirkpatrick et al.
    2017 (arXiv 1612.00796) weight parameters, with the observed labels instead of labels sampled
    from the model (the empirical Fisher). L_i is the loss of one example; for regression it is
    twice the negative log-likelihood of a unit Gaussian, which scales all scores by 4.
    """

    name = "fisher"
    description = "trace of the empirical Fisher information of the block's parameters"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        return [
            sum(float(square.sum()) for square in squares) for squares in probe.squared_gradients
        ]
