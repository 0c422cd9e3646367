"""Embeddings that nothing reads are not computed.

If the states after some frozen block are known, the first block is not run, and what the
embeddings made for it alone is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from progsearch.engine.batches import Batch
from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.forwards import Forward, replaced
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.internals.torch import tree_leaves
from progsearch.models.anatomy import Anatomy
from progsearch.models.blocks import hidden_input


class UnreadEmbeddings(Shortcut):
    """Leaves out the module that makes what the first block alone reads.

    The first whole pass without the frozen prefix shows which module it is. From then on its
    output is NaN, so any use of it shows in the result.

    Args:
        model: The model; only the ``forward`` of its modules is replaced, and only while a batch
            passes.
        anatomy: Where its embeddings and its blocks are.
        prefix: The shortcut that leaves out frozen blocks; active around this one.
    """

    title = "unread embeddings"

    def __init__(self, model: nn.Module, anatomy: Anatomy, prefix: FrozenPrefix) -> None:
        self._prefix = prefix
        self._first_block = model.get_submodule(anatomy.blocks[0])
        # Empty once a pass has shown which of them it is, if any.
        self._candidates = anatomy.modules(model, "embeddings")
        self._unread: tuple[nn.Module, Tensor] | None = None

    @contextmanager
    def around(self, batch: Batch, rows: Tensor, inputs: dict[str, Tensor]) -> Iterator[None]:
        """See the class."""
        if not self._prefix.replaces(batch):
            yield
        elif self._unread is not None:
            module, nothing = self._unread
            stand_in = nothing.expand(len(rows), batch.width, -1)
            with replaced({module: lambda *args, **kwargs: stand_in}):
                yield
        elif self._candidates:
            with self._watching():
                yield
        else:
            yield

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """See in one pass which module makes what the first block alone reads."""
        work, first = _Work(), self._first_block.forward
        taken: list[Tensor] = []

        def block(*args: Any, **kwargs: Any) -> Any:
            taken.append(hidden_input(args, kwargs))
            return first(*args, **kwargs)

        watched: dict[nn.Module, Forward] = {m: work.of(m) for m in self._candidates}
        with replaced(watched | {self._first_block: block}), work:
            yield
        # Not after a pass that ended early, which says nothing of what is read later.
        self._candidates = []
        makers = [module for module, output in work.given if output is taken[0]]
        if len(makers) == 1 and not any(tensor is taken[0] for tensor in work.read):
            self._unread = makers[0], torch.full_like(taken[0][:1, :1], math.nan)


class _Work(TorchFunctionMode):
    """Watches what becomes of the outputs of modules.

    Attributes:
        given: The modules that ran, and their outputs.
        read: Those of the outputs that something was computed from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[nn.Module, Any]] = []
        self.read: list[Any] = []

    def of(self, module: nn.Module) -> Forward:
        """The module's forward, watched."""
        original = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            output = original(*args, **kwargs)
            self.given.append((module, output))
            return output

        return forward

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **kwargs or {})
        # Reading a shape or a dtype computes nothing.
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            given = [output for _, output in self.given]
            self.read += [
                leaf for leaf in tree_leaves([args, kwargs]) if any(leaf is o for o in given)
            ]
        return result
