"""Block influence: how much a block changes the direction of hidden states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progsearch.contribution.base import ContributionMetric

if TYPE_CHECKING:
    from torch import Tensor

    from progsearch.contribution.probe import Probe


class BlockInfluence(ContributionMetric):
    """Score of block l: ``1 - mean over tokens t of cos(x_t, y_t)``.

    x_t and y_t are the hidden states of token t before and after the block; padding does not
    count. This is BI of ShortGPT (Men et al. 2024, arXiv 2403.03853, eq. 1), in [0, 2]. A state
    of zeros, such as the embedding of a padding token within a text, has no direction: its cosine
    counts as 1 if the block leaves it zero, else as 0.
    """

    name = "block_influence"
    description = "1 - cosine between hidden states before and after the block (ShortGPT)"

    def scores(self, probe: Probe) -> list[float]:
        """See `ContributionMetric.scores`."""
        totals = [0.0] * probe.n_blocks
        n_tokens = 0
        for states in probe.block_states():
            n_tokens += len(states[0][0])
            for block, (before, after) in enumerate(states):
                totals[block] += float((1 - _cosine(before.double(), after.double())).sum())
        return [total / n_tokens for total in totals]


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    norms = x.norm(dim=-1) * y.norm(dim=-1)
    is_same = (x == y).all(-1).to(norms.dtype)
    cosine: Tensor = ((x * y).sum(-1) / norms).where(norms > 0, is_same)
    return cosine
