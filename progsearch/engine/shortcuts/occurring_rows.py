"""Trains only those rows of the token embedding that the task's data holds.

A token that never occurs has no gradient. Its row would take part in every step all the same: the
backward pass writes a gradient as large as the whole table, which is then measured for clipping
and read by Adam beside two moments of its size, only to leave the row where weight decay alone
puts it. Most of a vocabulary is of that kind, and the table is half of a small model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from progsearch.tasks import Split

_ROWS = "rows_of_tokens"


class OccurringRows:
    """Reduces an embedding to the rows of some tokens, in place, until they are `put_back`.

    Args:
        embedding: The token embedding of a model.
        ids: The tokens that occur, ascending; a padding token of the table is one of them.
    """

    def __init__(self, embedding: nn.Embedding, ids: Tensor) -> None:
        self._embedding = embedding
        self._ids = ids
        self._whole = embedding.weight
        self._padding = embedding.padding_idx
        # The other tokens point behind the last row, where the lookup refuses them.
        rows = torch.full((embedding.num_embeddings,), len(ids), device=ids.device)
        rows[ids] = torch.arange(len(ids), device=ids.device)
        if self._padding is not None:
            embedding.padding_idx = int(rows[self._padding])
        embedding.register_buffer(_ROWS, rows, persistent=False)
        embedding.weight = nn.Parameter(
            self._whole.detach()[ids], requires_grad=self._whole.requires_grad
        )
        self._hook = embedding.register_forward_pre_hook(_as_rows)

    @torch.no_grad()
    def put_back(self, decay: float) -> None:
        """Make the table whole again, with the rows as they are now.

        Args:
            decay: What weight decay makes of the rows that do not occur, as a factor.
        """
        rows = self._embedding.weight
        whole = self._whole.detach().to(rows.device)
        if decay != 1:
            whole *= decay
        whole[self._ids.to(rows.device)] = rows
        self._embedding.weight = nn.Parameter(whole, requires_grad=rows.requires_grad)
        self._embedding.padding_idx = self._padding
        self._hook.remove()
        delattr(self._embedding, _ROWS)


# Not a method: the embedding would hold what holds the embedding.
def _as_rows(embedding: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (getattr(embedding, _ROWS)[inputs[0]], *inputs[1:])


def token_embedding(model: PreTrainedModel) -> str:
    """The name of the weight that ``model`` looks its tokens up in."""
    embedding = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embedding)
    return f"{name}.weight"


def keep_occurring_rows(
    model: PreTrainedModel, trained: Collection[str], splits: Iterable[Split]
) -> OccurringRows | None:
    """Let ``model`` hold the token embeddings of ``splits`` alone, in place, if it trains them.

    Args:
        model: From here on it runs on these splits only.
        trained: Names of the parameters that will be trained.
        splits: All examples that the model will see.

    Returns:
        The rows that are left; None where the model was left as it was: its table is not trained,
        belongs to another part of the model, too, does more than look up rows, or is not known.
    """
    try:
        embedding = model.get_input_embeddings()
    except NotImplementedError:
        # Code from the hub need not say which of its tables is that of the tokens.
        return None
    owners = [p for _, p in model.named_parameters(remove_duplicate=False)]
    if (
        not isinstance(embedding, nn.Embedding)
        or embedding.max_norm is not None
        or token_embedding(model) not in trained
        or sum(parameter is embedding.weight for parameter in owners) > 1
    ):
        return None
    occurring = torch.zeros(embedding.num_embeddings, dtype=torch.bool)
    for split in splits:
        occurring[split.token_ids()] = True
    if embedding.padding_idx is not None:
        occurring[embedding.padding_idx] = True
    return OccurringRows(embedding, occurring.nonzero().squeeze(1).to(embedding.weight.device))
