"""Finds the linear layers of a block, and those that write to the residual stream."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from progsearch.internals.torch import tree_leaves
from progsearch.models.anatomy import TOKENS, Anatomy, as_input, evaluating

# Autograd's names for the products of a weight or of two activations.
_PRODUCT = re.compile(r"[Mm]mBackward|ScaledDotProduct|LinearBackward")


def linear_layers(block: nn.Module) -> dict[str, nn.Linear | Conv1D]:
    """The linear layers of a block, by name; those of GPT-2 have the class ``Conv1D``."""
    return {
        name: module
        for name, module in block.named_modules()
        if isinstance(module, (nn.Linear, Conv1D))
    }


def residual_writers(model: nn.Module, anatomy: Anatomy) -> list[list[nn.Linear | Conv1D]]:
    """The linear layers of each block whose output is added to the residual stream.

    These are the layers from which a path without another matrix product leads to the block's
    output: the output projections of attention and feed-forward. The paths are found in the
    graph that autograd records in one pass over a few tokens.
    """
    modules = dict(model.named_modules())
    blocks = [modules[name] for name in anatomy.blocks]
    last: dict[nn.Module, set[Tensor]] = {}

    def after(block: nn.Module, args: Any, output: Any) -> None:
        last[block] = _last_weights(output)

    hooks = [block.register_forward_hook(after) for block in blocks]
    required = {parameter: parameter.requires_grad for parameter in model.parameters()}
    model.requires_grad_(True)
    tokens = torch.tensor([TOKENS], device=next(model.parameters()).device)
    try:
        with torch.enable_grad(), evaluating(model):
            model(input_ids=as_input(model, tokens))
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, requires_grad in required.items():
            parameter.requires_grad_(requires_grad)
    # The residual stream also leads into earlier blocks, whose weights do not count here.
    return [
        [layer for layer in linear_layers(block).values() if layer.weight in last[block]]
        for block in blocks
    ]


def _last_weights(output: Any) -> set[Tensor]:
    """The weights of the first matrix products on each path back from ``output``."""
    weights: set[Tensor] = set()
    seen: set[Any] = set()
    pending = [v.grad_fn for v in tree_leaves(output) if isinstance(v, Tensor) and v.grad_fn]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        before = [previous for previous, _ in node.next_functions if previous is not None]
        if _PRODUCT.search(node.name()):
            weights.update(w for w in map(_parameter_before, before) if w is not None)
        else:
            pending += before
    return weights


def _parameter_before(node: Any) -> Tensor | None:
    """The parameter that ``node`` reshapes, or None if it does anything else."""
    while not hasattr(node, "variable"):
        before = [previous for previous, _ in node.next_functions if previous is not None]
        if len(before) != 1:
            return None
        node = before[0]
    variable: Tensor = node.variable
    return variable
