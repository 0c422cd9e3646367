"""Skips the embedding layer if nothing reads its output.

If the states after a frozen block are cached, the first block is not run, so embeddings that only
the first block reads are not needed.
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
    """Skips the module whose output only the first block reads.

    The first complete pass that skips the frozen prefix shows which module that is. From then on
    its output is NaN, so any use of it shows in the result.

    Args:
        model: The model; only the ``forward`` of its modules is replaced, and only during a pass.
        anatomy: Its parts.
        prefix: The frozen-prefix shortcut; active around this one.
    """

    title = "unread embeddings"

    def __init__(self, model: nn.Module, anatomy: Anatomy, prefix: FrozenPrefix) -> None:
        self._prefix = prefix
        self._first_block = model.get_submodule(anatomy.blocks[0])
        # Empty once a pass has shown which module it is, if any.
        self._candidates = anatomy.modules(model, "embeddings")
        self._unread: tuple[nn.Module, Tensor] | None = None

    @contextmanager
    def around(self, batch: Batch, rows: Tensor, inputs: dict[str, Tensor]) -> Iterator[None]:
        """See the class."""
        if not self._prefix.replaces(batch):
            yield
        elif self._unread is not None:
            module, nothing = self._unread
            sequences = len(rows) * batch.split.n_choices
            stand_in = nothing.expand(sequences, batch.width, -1)
            with replaced({module: lambda *args, **kwargs: stand_in}):
                yield
        elif self._candidates:
            with self._watching():
                yield
        else:
            yield

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Find the module whose output only the first block reads, in one pass."""
        work, first = _Work(), self._first_block.forward
        taken: list[Tensor] = []

        def block(*args: Any, **kwargs: Any) -> Any:
            taken.append(hidden_input(args, kwargs))
            return first(*args, **kwargs)

        watched: dict[nn.Module, Forward] = {m: work.of(m) for m in self._candidates}
        with replaced(watched | {self._first_block: block}), work:
            yield
        # Not reached by a pass that ends early, which does not show what is read later.
        self._candidates = []
        makers = [module for module, output in work.given if output is taken[0]]
        if len(makers) == 1 and not any(tensor is taken[0] for tensor in work.read):
            self._unread = makers[0], torch.full_like(taken[0][:1, :1], math.nan)


class _Work(TorchFunctionMode):
    """Records which outputs of modules are read.

    Attributes:
        given: The modules that ran, and their outputs.
        read: The outputs from which something was computed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[nn.Module, Any]] = []
        self.read: list[Any] = []

    def of(self, module: nn.Module) -> Forward:
        """The module's ``forward``, with its output recorded."""
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
