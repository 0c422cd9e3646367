"""A pass through a model in which the bytes of its tensors are counted, by part."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from progsearch.config import Precision
from progsearch.engine.batches import Batch
from progsearch.engine.precision import autocast
from progsearch.engine.shortcuts.base import Shortcuts
from progsearch.internals.torch import TorchDispatchMode, tree_leaves, tree_map
from progsearch.models.anatomy import Anatomy, Part
from progsearch.models.blocks import hidden_output

Kind = Literal["trained", "lowest", "through", "passed"]
"""All parts are trained; each is the lowest that is; they only pass a gradient down; no gradients.
"""


def size_of(tensor: Tensor) -> int:
    """The bytes of a tensor's values."""
    return tensor.numel() * tensor.element_size()


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are made while it is active.

    Attributes:
        now: Of those that still exist.
        most: The largest value of ``now`` since it was set.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._freed, key)

    def _freed(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


@dataclass
class MeasuredPass:
    """What each part needs in one forward pass, and in the backward pass after it.

    Attributes:
        kept: What the part leaves behind in the forward pass.
        forward: What is there at most during its forward pass.
        backward: What it needs at most in the backward pass, beside what was there before.
        output: The size of its output.
    """

    model: nn.Module
    anatomy: Anatomy
    batch: Batch
    shortcuts: Shortcuts
    precision: Precision
    kind: Kind
    kept: dict[Part, int] = field(default_factory=dict)
    forward: dict[Part, int] = field(default_factory=dict)
    backward: dict[Part, int] = field(default_factory=dict)
    output: dict[Part, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = torch.from_numpy(self.batch.indices)
        inputs = self.batch.split.gather(rows, self.batch.width)
        known = [*self.model.parameters(), *self.model.buffers(), *inputs.values()]
        self._live = LiveBytes(known)
        self._begun = 0
        self._set_modes()
        outputs: list[Any] = []
        gradients = torch.set_grad_enabled(self.kind != "passed")
        with gradients, ExitStack() as stack, self._live:
            for index, name in enumerate(self.anatomy.blocks):
                self._watch(index, self.model.get_submodule(name), stack, outputs)
            with (
                autocast(self.precision, rows.device),
                self.shortcuts.around(self.batch, rows, inputs),
            ):
                loss = self.model(**inputs).loss
            self._end_forward("head")
            if self.kind in ("trained", "through"):
                self._at: Part = "head"
                loss.backward()
                self._end_backward("embeddings")
        for parameter in self.model.parameters():
            parameter.grad = None

    def _set_modes(self) -> None:
        self.model.train(self.kind != "passed")
        if self.kind == "through":
            for name in (*self.anatomy.embeddings, *self.anatomy.blocks):
                if isinstance(module := dict(self.model.named_modules()).get(name), nn.Module):
                    module.eval()

    def _watch(self, index: int, block: nn.Module, stack: ExitStack, outputs: list[Any]) -> None:
        def before(module: nn.Module, args: Any, kwargs: Any) -> Any:
            if self.kind == "lowest":
                args, kwargs = tree_map(_without_gradient, (args, kwargs))
            if index:
                return args, kwargs
            if self.kind == "through":
                args, kwargs = tree_map(_with_gradient, (args, kwargs))
            self._end_forward("embeddings")
            hidden = [v for v in tree_leaves((args, kwargs)) if isinstance(v, Tensor)]
            self._note("embeddings", hidden[0])
            return args, kwargs

        def after(module: nn.Module, args: Any, output: Any) -> None:
            self._end_forward(index)
            self._note(index, hidden_output(output))
            if self.kind == "lowest":
                # No later block keeps it, and with it what its block has kept.
                outputs.append(output)

        hooks = (
            block.register_forward_pre_hook(before, with_kwargs=True),
            block.register_forward_hook(after),
        )
        for hook in hooks:
            stack.callback(hook.remove)

    def _note(self, part: Part, hidden: Tensor) -> None:
        """Note the size of a part's output, and when the backward pass comes to it."""
        self.output[part] = size_of(hidden)
        if hidden.requires_grad:
            hidden.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: self._end_backward(part)
            )

    def _end_forward(self, part: Part) -> None:
        live = self._live
        self.kept[part] = live.now - self._begun
        self.forward[part] = live.most
        self._begun = live.most = live.now

    def _end_backward(self, next_part: Part) -> None:
        live = self._live
        self.backward[self._at] = live.most - self._begun
        self._begun = live.most = live.now
        self._at = next_part


def _without_gradient(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _with_gradient(value: Any) -> Any:
    """A value of the first block's input, as if the embeddings were trained."""
    is_state = isinstance(value, Tensor) and value.is_floating_point() and value.dim() == 3
    return value.detach().requires_grad_() if is_state else value
