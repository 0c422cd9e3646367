"""Computes a language model's logits for target tokens only, in chunks.

The logits of a batch are the largest tensor of a language model: a number per token of the
vocabulary, for each token of each row. The loss reads those of the target tokens alone. Chunks
bound the memory: the logits of a chunk are computed again in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from progsearch.engine.batches import Batch, common_width
from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.forwards import replaced
from progsearch.models.language_head import language_head
from progsearch.models.token_scores import (
    IGNORED,
    TargetOutput,
    next_tokens,
    scattered,
    token_scores,
)
from progsearch.tasks import Split

# The logits of a chunk: 256 MiB in fp32.
_LOGITS = 2**26


class TargetTokens(Shortcut):
    """Computes logits and loss of a language model's target tokens only.

    The model's body runs as always. What follows it is run by the model's own code on the states
    before target tokens, so that a cap or a scale of the logits is kept.

    Args:
        model: A language model. Its ``forward`` is replaced during a pass, and that of its body
            while logits are computed.
    """

    title = "logits of target tokens"

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        known = cast(Any, model)
        self._body: nn.Module = known.get_decoder()
        self._chunk = max(1, _LOGITS // known.config.get_text_config().vocab_size)

    @classmethod
    def found(cls, model: nn.Module, split: Split) -> Self | None:
        """The shortcut for ``model``; None if it is no language model with targets per token."""
        return cls(model) if applies(model, split) else None

    @contextmanager
    def around(self, batch: Batch, rows: Tensor, inputs: dict[str, Tensor]) -> Iterator[None]:
        """See the class."""
        own = self._model.forward

        def forward(*, labels: Tensor, **inputs: Tensor) -> TargetOutput:
            return self._pass(own, labels, inputs, n_places(batch))

        with replaced({self._model: forward}):
            yield

    def _pass(
        self, own: Callable[..., Any], labels: Tensor, inputs: dict[str, Tensor], count: int
    ) -> TargetOutput:
        body = self._body(**inputs)
        every = next_tokens(labels).flatten()
        places = _places(every, count)
        states, targets = body.last_hidden_state.flatten(0, 1)[places], every[places]

        def tail(states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor | None]:
            """The summed loss of some targets, and their scores."""
            output = type(body)(last_hidden_state=states[None])
            with replaced({self._body: lambda *args, **kwargs: output}):
                logits = own(input_ids=torch.zeros_like(targets)[None]).logits[0].float()
            loss = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
            return loss, None if self._model.training else token_scores(logits, targets)

        chunks = (torch.split(tensor, self._chunk) for tensor in (states, targets))
        parts = list(zip(*chunks, strict=True))
        if len(parts) > 1 and torch.is_grad_enabled():
            found = [
                checkpoint(tail, *part, use_reentrant=False, preserve_rng_state=False)
                for part in parts
            ]
        else:
            found = [tail(*part) for part in parts]
        loss = torch.stack([part for part, _ in found]).sum() / (targets != IGNORED).sum()
        kept = [part for _, part in found if part is not None]
        scores = scattered(torch.cat(kept), places, labels.shape) if kept else None
        return TargetOutput(loss, scores)


def applies(model: nn.Module, split: Split) -> bool:
    """Whether a model gives logits of the vocabulary, of which a split's targets need some."""
    return split.per_token and language_head(model) is not None


def n_places(batch: Batch) -> int:
    """The number of places that logits are computed for, of which there are few different ones.

    Recorded steps need that: shapes must not depend on what is on the device.
    """
    return common_width(batch.units, batch.tokens)


def _places(targets: Tensor, count: int) -> Tensor:
    """Where targets are, ascending; on a GPU filled up to ``count`` with places without one."""
    if targets.device.type == "cpu":
        return (targets != IGNORED).nonzero()[:, 0]
    return filled_places(targets, count)


def filled_places(targets: Tensor, count: int) -> Tensor:
    """The first ``count`` places, those with a target first; the device is not waited for."""
    return torch.argsort((targets == IGNORED).to(torch.uint8), stable=True)[:count]
