"""Solo training: how much the loss falls if a block is the only one trained."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe

_LEARNING_RATE = 1e-4

logger = logging.getLogger(__name__)


class Solo(ContributionMetric):
    """Score of block l: ``L(start) - L(after training only embeddings, l and the head)``.

    L is the mean loss on the probe. This is the notion of contribution in Progtuning (Ji et al.
    2024, arXiv 2506.21119, figure 1), shortened to one pass over the probe's training batches:
    every block is trained from the same start, and the score is the decrease of the mean loss on
    the probe's other batches. With so few examples, the loss is finer than a task metric.
    """

    name = "solo"
    description = "decrease of the loss if only embeddings, head and this block train briefly"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        start = probe.loss()
        scores = []
        for block in range(probe.n_blocks):
            with probe.trained(["embeddings", block, "head"], learning_rate=_LEARNING_RATE):
                scores.append(start - probe.loss())
            logger.info(
                "solo: block %d of %d, loss %.4f -> %.4f",
                block + 1,
                probe.n_blocks,
                start,
                start - scores[-1],
            )
        return scores
