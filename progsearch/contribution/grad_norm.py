"""Gradient norm: how strongly the loss depends on a block's parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from torch import Tensor

    from progsearch.contribution.probe import Probe


class GradNorm(ContributionMetric):
    """Score of block l: ``||dL/dW_l||_2``; L is the mean loss on the probe.

    W_l are all parameters of the block as one vector. AutoFreeze (Liu et al. 2021, arXiv
    2102.01386) uses the change of the same norm over time to decide which blocks to freeze.
    """

    name = "grad_norm"
    version = 2
    by_gradients = True
    description = "L2 norm of the loss gradient of the block's parameters"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        return [l2_norm(gradient) for gradient in probe.gradients]


def l2_norm(tensors: Sequence[Tensor]) -> float:
    """The L2 norm of all elements of ``tensors`` together."""
    return math.sqrt(sum(float(tensor.detach().square().sum()) for tensor in tensors))
