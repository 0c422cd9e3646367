"""Trains only the rows of the token embedding whose tokens occur in the task's data.

A token that never occurs has no gradient, but its row would still cost time in every step: the
backward pass writes a gradient as large as the whole table, clipping reads it, and so does Adam,
with two moments of the same size. In the end only weight decay has changed the row. Most rows of
a vocabulary are of that kind, and the table is half of a small model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from progsearch.engine.shortcuts.base import Shortcut
from progsearch.tasks import Split

_ROWS = "rows_of_tokens"


class OccurringRows(Shortcut):
    """Reduces an embedding to the rows of some tokens, in place, until training is over.

    Create it before the optimizer, which must hold the reduced table.

    Args:
        embedding: The token embedding of a model.
        name: The name of its weight in the model.
        ids: The token ids that occur, ascending; includes the padding token if the table has one.

    Attributes:
        name: As given.
        ids: As given.
    """

    title = "rows of tokens that occur"

    def __init__(self, embedding: nn.Embedding, name: str, ids: Tensor) -> None:
        self._embedding = embedding
        self.name = name
        self.ids = ids
        self._finished = False
        # Kept in host memory, since no pass needs it before the end.
        self._whole = embedding.weight.detach().cpu()
        self._padding = embedding.padding_idx
        # Other tokens map to an index past the last row, so a lookup of them fails.
        rows = torch.full((embedding.num_embeddings,), len(ids), device=ids.device)
        rows[ids] = torch.arange(len(ids), device=ids.device)
        if self._padding is not None:
            embedding.padding_idx = int(rows[self._padding])
        embedding.register_buffer(_ROWS, rows, persistent=False)
        rows_of_tokens = embedding.weight.detach()[ids]
        embedding.weight = nn.Parameter(
            rows_of_tokens, requires_grad=embedding.weight.requires_grad
        )
        self._hook = embedding.register_forward_pre_hook(_as_rows)

    def of_all_rows(self, gradient: Tensor) -> Tensor:
        """A gradient of the occurring rows, expanded to the whole table."""
        whole = gradient.new_zeros(self._whole.shape)
        whole[self.ids] = gradient
        return whole

    @torch.no_grad()
    def finish(self, decay: Callable[[str], float]) -> None:
        """Restore the whole table, with the trained rows."""
        if self._finished:
            return
        self._finished = True
        rows = self._embedding.weight
        whole = self._whole.to(rows.device)
        factor = decay(self.name)
        # Apply weight decay to the rows of tokens that do not occur.
        if factor != 1:
            whole *= factor
        whole[self.ids.to(rows.device)] = rows
        self._embedding.weight = nn.Parameter(whole, requires_grad=rows.requires_grad)
        self._embedding.padding_idx = self._padding
        self._hook.remove()
        delattr(self._embedding, _ROWS)


# Not a method, to avoid a reference cycle between the embedding and the shortcut.
def _as_rows(embedding: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (getattr(embedding, _ROWS)[inputs[0]], *inputs[1:])


def keep_occurring_rows(
    model: PreTrainedModel, trained: Collection[str], splits: Iterable[Split]
) -> OccurringRows | None:
    """Reduce the token embedding of ``model`` to the tokens of ``splits``, if it is trained.

    Args:
        model: The model, changed in place; from now on it can run on these splits only.
        trained: Names of the parameters that will be trained.
        splits: All examples that the model will see.

    Returns:
        The shortcut; None if the model was not changed: its table is not trained, is shared with
        another part of the model, does more than look up rows, or is not known.
    """
    try:
        embedding = model.get_input_embeddings()
    except NotImplementedError:
        # Code from the hub need not say which of its tables is the token embedding.
        return None
    if not isinstance(embedding, nn.Embedding) or embedding.max_norm is not None:
        return None
    name = next(name for name, module in model.named_modules() if module is embedding)
    owners = [p for _, p in model.named_parameters(remove_duplicate=False)]
    is_shared = sum(parameter is embedding.weight for parameter in owners) > 1
    if f"{name}.weight" not in trained or is_shared:
        return None
    occurring = torch.zeros(embedding.num_embeddings, dtype=torch.bool)
    for split in splits:
        occurring[split.token_ids()] = True
    if embedding.padding_idx is not None:
        occurring[embedding.padding_idx] = True
    ids = occurring.nonzero().squeeze(1).to(embedding.weight.device)
    return OccurringRows(embedding, f"{name}.weight", ids)
