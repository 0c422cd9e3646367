"""What is kept of a language model's logits: two numbers per target token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -100
"""The target of a token that the loss ignores, as in torch's cross entropy."""


@dataclass(frozen=True)
class TargetOutput:
    """A language model's output for a batch, reduced to its target tokens.

    Attributes:
        loss: The mean loss of the target tokens.
        scores: See `scores_of`; None in training, where nothing reads it.
    """

    loss: Tensor
    scores: Tensor | None


def next_tokens(labels: Tensor) -> Tensor:
    """The target of the logits at each place: the label of the place after it.

    Args:
        labels: Shape ``(rows, width)``; those of the first column are the target of no place.
    """
    return F.pad(labels, (0, 1), value=IGNORED)[:, 1:]


def token_scores(logits: Tensor, targets: Tensor) -> Tensor:
    """Loss and margin of each target; both are 0 for an ignored one.

    The margin is the target's logit minus the largest other one: above 0 if the model predicts
    the target. It is a number, not a yes or no, so that it can be compared with another model's.

    Args:
        logits: Shape ``(targets, vocabulary)``.
        targets: Shape ``(targets,)``.

    Returns:
        Shape ``(targets, 2)``, in fp32.
    """
    logits = logits.detach().float()
    losses = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
    counted = targets != IGNORED
    own = torch.where(counted, targets, 0)[:, None]
    margins = logits.gather(1, own) - logits.scatter(1, own, -torch.inf).amax(1, keepdim=True)
    return torch.stack([losses, torch.where(counted, margins[:, 0], 0)], dim=1)


def scattered(scores: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
    """The scores of targets at the places of these targets, and 0 elsewhere.

    Args:
        scores: Shape ``(targets, 2)``.
        places: Of the logits, in a batch without its shape; ascending.
        shape: That of the batch, ``(rows, width)``.

    Returns:
        Shape ``(rows, width, 2)``.
    """
    whole = scores.new_zeros(shape.numel() + 1, 2)
    # The target of a place is the token after it, of the same row if it is not ignored.
    whole[places + 1] = scores
    return whole[:-1].view(*shape, 2)


def scores_of(logits: Tensor, labels: Tensor) -> Tensor:
    """`token_scores` of a batch, each at the place of its target; 0 where there is none.

    Args:
        logits: Shape ``(rows, width, vocabulary)``.
        labels: Shape ``(rows, width)``.

    Returns:
        Shape ``(rows, width, 2)``.
    """
    targets = next_tokens(labels).flatten()
    places = (targets != IGNORED).nonzero()[:, 0]
    found = token_scores(logits.flatten(0, 1)[places], targets[places])
    return scattered(found, places, labels.shape)
