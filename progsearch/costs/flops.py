"""Measures the FLOPs of each part of a model with torch's FLOP counter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from progsearch.costs import ModelCost, PartCost
from progsearch.internals.torch import tree_leaves, tree_map
from progsearch.models.anatomy import Anatomy, Part, evaluating
from progsearch.models.language_head import tied_table
from progsearch.models.trainable import TrainableParameters


def measure_parts(
    model: nn.Module,
    anatomy: Anatomy,
    trainable: TrainableParameters,
    batch: Mapping[str, Tensor],
    parameters: Mapping[Part, int],
) -> ModelCost:
    """The cost of every part of ``model``, which is not changed.

    Only matrix products count; a multiplication and an addition are two FLOPs. Attention counts
    as plain matrix products, whichever kernel computes it.

    Args:
        model: The model with its method applied.
        anatomy: Its parts.
        trainable: The parameters that the method trains.
        batch: Examples of typical length, with labels; the FLOPs are means per example.
        parameters: Number of parameters of each part before the method was applied.
    """
    names: dict[Part, tuple[str, ...]] = {
        "embeddings": trainable.embeddings,
        **dict(enumerate(trainable.blocks)),
        "head": trainable.head,
    }
    everything = {name for part in names.values() for name in part}
    before = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    for parameter, _, _ in before:
        parameter.grad = None
    try:
        whole = _CutPass(model, anatomy, batch, everything, gradient_below=True)
        lowest = _CutPass(model, anatomy, batch, everything, gradient_below=False)
        frozen = _CutPass(model, anatomy, batch, names["embeddings"], gradient_below=True)
        tied = 0
        if tied_table(model) is not None:
            others = everything - set(names["embeddings"])
            without = _CutPass(model, anatomy, batch, others, gradient_below=True)
            tied = whole.backward["head"] - without.backward["head"]
    finally:
        for parameter, requires_grad, gradient in before:
            parameter.requires_grad_(requires_grad)
            parameter.grad = gradient
    # The gradient of a tied token table is computed behind the blocks, for the embeddings.
    for measured in (whole, lowest, frozen):
        measured.backward["embeddings"] += tied
        measured.backward["head"] -= tied
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    n_examples = len(batch["input_ids"])
    costs = {
        part: PartCost(
            parameters=parameters[part],
            trainable=sum(sizes[name] for name in names[part]),
            forward=whole.forward[part] / n_examples,
            backward=whole.backward[part] / n_examples,
            backward_first=lowest.backward[part] / n_examples,
            # There is nothing below the embeddings to pass a gradient to.
            backward_through=0.0 if part == "embeddings" else frozen.backward[part] / n_examples,
        )
        for part in names
    }
    return ModelCost(
        embeddings=costs["embeddings"],
        blocks=tuple(costs[block] for block in range(anatomy.n_blocks)),
        head=costs["head"],
    )


class _CutPass:
    """One forward pass, cut before and after every block, and a backward pass of each part.

    The parts share no graph, so the backward pass of each is counted separately.

    Args:
        model: The model; sets ``requires_grad`` of its parameters.
        anatomy: Its parts.
        batch: The input.
        trained: Names of the parameters that require a gradient.
        gradient_below: Whether each part has to pass a gradient down.

    Attributes:
        forward: FLOPs of the forward pass of each part, for the whole batch.
        backward: FLOPs of the backward pass of each part, for the whole batch.
    """

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        batch: Mapping[str, Tensor],
        trained: Collection[str],
        gradient_below: bool,
    ) -> None:
        self.forward: dict[Part, int] = {}
        self.backward: dict[Part, int] = {}
        self._gradient_below = gradient_below
        self._ends: dict[Part, list[Tensor]] = {"embeddings": []}
        self._counter = FlopCounterMode(display=False)
        self._after_block = 0
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in trained)
        modules = dict(model.named_modules())
        hooks = [
            hook
            for index, name in enumerate(anatomy.blocks)
            for hook in self._watch(modules[name], index)
        ]
        try:
            # The counter has no formula for the fused attention kernel of a CPU.
            with evaluating(model), sdpa_kernel(SDPBackend.MATH), self._counter:
                self._ends["head"] = [model(**batch).loss]
                total = self._counter.get_total_flops()
                self.forward["head"] = total - self._after_block
                self.forward["embeddings"] = total - sum(self.forward.values())
                for part, ends in self._ends.items():
                    self.backward[part] = self._run_backward(_with_graph(ends))
        finally:
            for hook in hooks:
                hook.remove()

    def _watch(self, block: nn.Module, index: int) -> list[RemovableHandle]:
        start = 0

        def before(module: nn.Module, args: Any, kwargs: Any) -> Any:
            nonlocal start
            start = self._counter.get_total_flops()
            # Tensors from the embeddings; the output of the previous block is already cut.
            self._ends["embeddings"] += _with_graph((args, kwargs))
            return tree_map(lambda v: self._cut(v) if _requires_grad(v) else v, (args, kwargs))

        def after(module: nn.Module, args: Any, output: Any) -> Any:
            self._after_block = self._counter.get_total_flops()
            self.forward[index] = self._after_block - start
            self._ends[index] = _with_graph(output)
            return tree_map(lambda v: self._cut(v) if isinstance(v, Tensor) else v, output)

        return [
            block.register_forward_pre_hook(before, with_kwargs=True),
            block.register_forward_hook(after),
        ]

    def _cut(self, value: Tensor) -> Tensor:
        return value.detach().requires_grad_(self._gradient_below)

    def _run_backward(self, ends: list[Tensor]) -> int:
        if not ends:
            return 0
        before = self._counter.get_total_flops()
        torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
        return self._counter.get_total_flops() - before


def _requires_grad(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _with_graph(values: Any) -> list[Tensor]:
    return [v for v in tree_leaves(values) if isinstance(v, Tensor) and v.grad_fn is not None]
