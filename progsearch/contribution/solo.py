"""Solo training: what each block learns when it alone is trained."""

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

    The view of contribution that Progtuning starts from (Ji et al. 2024, arXiv 2506.21119,
    figure 1), cut to one pass over the probe's training batches: every block is trained from
    the same start, and the gain is the fall of the mean loss on the probe's other batches,
    which is finer than a metric of so few examples.
    """

    name = "solo"
    description = "fall of the loss when only embeddings, head and this block train briefly"

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
