"""Measures the memory that each part of a model takes in a training step.

A few passes over two and three examples, on the CPU, give what grows with the examples and what
does not. Bytes are counted as tensors are made and freed.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from progsearch.config import Precision, TrainingConfig
from progsearch.costs.memory import Bytes, ModelMemory, PartMemory
from progsearch.engine.batches import Batch, evaluation_batches
from progsearch.engine.frozen_weights import FrozenWeights, held_dtype, held_weights
from progsearch.engine.precision import autocast
from progsearch.engine.shortcuts.base import Shortcut, Shortcuts
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.occurring_rows import OccurringRows
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.internals.torch import TorchDispatchMode, tree_leaves, tree_map
from progsearch.models.anatomy import Anatomy, Part
from progsearch.models.blocks import hidden_output
from progsearch.models.trainable import TrainableParameters
from progsearch.tasks import Split

# Two numbers of examples, as a line needs two points; with one there is no padding.
_FEW, _MORE = 2, 3
# Bytes of a number that is trained.
_FP32 = 4
# All parts are trained; each is the lowest that is; they only pass a gradient down; no gradients.
_Kind = Literal["trained", "lowest", "through", "passed"]


def measured_rows(split: Split) -> list[int]:
    """The examples of the passes: the longest one, and others as long as those of its batch."""
    order = np.argsort(-split.lengths, kind="stable")
    others = order[min(len(order) - 1, TrainingConfig().batch_size - 1)]
    return [int(order[0]), *[int(others)] * (_MORE - 1)]


def measure_memory(
    model: PreTrainedModel,
    anatomy: Anatomy,
    trainable: TrainableParameters,
    splits: Sequence[Split],
    training: TrainingConfig,
    precision: Precision,
    *,
    device: torch.device,
    left_out: Collection[type[Shortcut]] = (),
) -> ModelMemory:
    """The memory of each part of ``model``, which is changed.

    Args:
        model: The model on the CPU with its method applied.
        anatomy: Its parts.
        trainable: The parameters that the method trains.
        splits: All examples that the model will see, the training data first.
        training: Says how frozen weights are held.
        precision: The resolved precision of the training.
        device: Where runs train.
        left_out: Shortcuts that runs do not use.
    """
    split = splits[0]
    sizes = _Sizes(model, anatomy, trainable, training, precision)
    everything = {name for part in sizes.names.values() for name in part}
    shortcuts = Shortcuts(
        usual_shortcuts(
            model,
            anatomy,
            precision,
            trained=everything,
            splits=splits,
            left_out=left_out,
            only=(OccurringRows, HeadToken),
        )
    )
    tables = [s for s in shortcuts.all if isinstance(s, OccurringRows)]
    narrows = any(isinstance(s, HeadToken) and s.narrows for s in shortcuts.all)
    held = FrozenWeights(model, anatomy, training.frozen_dtype, precision)
    passes = {}
    kinds: dict[_Kind, Collection[str]] = {
        "trained": everything,
        "lowest": everything,
        "through": sizes.names["head"],
        "passed": (),
    }
    for kind, names in kinds.items():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in names)
        held.hold(split)
        for rows in (_FEW, _MORE):
            batch = Batch.of(split, np.array(measured_rows(split)[:rows]))
            passes[kind, rows] = _Pass(model, anatomy, batch, shortcuts, precision, kind)
    parameters = dict(model.named_parameters())
    width = int(split.lengths.max())
    return ModelMemory(
        parts=tuple(
            PartMemory(
                weights=sizes.weights[part] - sizes.spared(part, trained=True),
                weights_frozen=sizes.weights[part] - sizes.spared(part, trained=False),
                trained=sum(_FP32 * parameters[name].numel() for name in names),
                kept=_line(passes, "trained", "kept", part),
                kept_lowest=_line(passes, "lowest", "kept", part),
                kept_through=_line(passes, "through", "kept", part),
                # Gradients of blocks are counted by themselves; those of the other two parts are
                # as large as what is needed to compute them.
                backward=_line(
                    passes, "trained" if part == "embeddings" else "through", "backward", part
                ),
                forward=_line(passes, "passed", "forward", part),
                output=_line(passes, "passed", "output", part),
            )
            for part, names in sizes.names.items()
        ),
        reduced_table=sum(_size(parameters[table.name]) for table in tables),
        checkpointed=anatomy.n_blocks - narrows,
        pass_rows=len(evaluation_batches(np.full(2**16, width), device)[0]),
    )


class _Sizes:
    """The sizes of a model's parts in bytes, before shortcuts change them.

    Attributes:
        names: Names of the parameters of each part that the method trains.
        weights: Of all weights of each part.
    """

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        trainable: TrainableParameters,
        training: TrainingConfig,
        precision: Precision,
    ) -> None:
        self.names: dict[Part, tuple[str, ...]] = {
            "embeddings": trainable.embeddings,
            **dict(enumerate(trainable.blocks)),
            "head": trainable.head,
        }
        self.weights = {
            part: sum(_size(p) for _, p in anatomy.parameters(model, part)) for part in self.names
        }
        self.weights["embeddings"] += sum(map(_size, model.buffers()))
        dtype = held_dtype(training.frozen_dtype, precision)
        self._spared: dict[str, int] = {}
        if dtype is not None:
            self._spared = {
                name: weight.numel() * (weight.element_size() - dtype.itemsize)
                for name, weight in held_weights(model, anatomy).items()
            }
        self._anatomy = anatomy

    def spared(self, part: Part, *, trained: bool) -> int:
        """What is spared by holding weights in 16 bits, while the part is trained or frozen."""
        left = {*self.names[part]} if trained else set()
        return sum(
            size
            for name, size in self._spared.items()
            if self._anatomy.part_of(name) == part and name not in left
        )


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _line(passes: dict[Any, _Pass], kind: _Kind, what: str, part: Part) -> Bytes:
    few, more = (getattr(passes[kind, rows], what).get(part, 0) for rows in (_FEW, _MORE))
    per_row = (more - few) / (_MORE - _FEW)
    return Bytes(few - per_row * _FEW, per_row)


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
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
class _Pass:
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
    kind: _Kind
    kept: dict[Part, int] = field(default_factory=dict)
    forward: dict[Part, int] = field(default_factory=dict)
    backward: dict[Part, int] = field(default_factory=dict)
    output: dict[Part, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = torch.from_numpy(self.batch.indices)
        inputs = self.batch.split.gather(rows, self.batch.width)
        known = [*self.model.parameters(), *self.model.buffers(), *inputs.values()]
        self._live = _Live(known)
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
        self.output[part] = _size(hidden)
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
