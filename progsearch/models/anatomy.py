"""Finds embeddings, blocks and head of a Transformer by its structure.

There is no table of class names: the blocks are the largest list of modules of one class. What
comes before and after them is found by running the model once and recording when each parameter
is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from progsearch.errors import ModelError
from progsearch.internals.torch import TorchDispatchMode, tree_leaves

Part = Literal["embeddings", "head"] | int
_Side = Literal["embeddings", "head"]

TOKENS = (3, 4, 5, 6)
"""Example tokens for inspecting a model: in every vocabulary, and not padding (0, 1 or 2)."""


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model, by module name; every parameter belongs to exactly one part.

    Attributes:
        blocks: Module names of the Transformer blocks, input side first.
        embeddings: The top-most modules outside the blocks that run before the last block. A
            module between blocks is one of them: the output of later blocks is fixed only while
            that module is frozen, too.
        head: The top-most modules that first run after the last block: final norm, pooler,
            classifier.

    If a module contains several parts, its own direct parameters are listed by name.
    """

    blocks: tuple[str, ...]
    embeddings: tuple[str, ...]
    head: tuple[str, ...]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @cached_property
    def _parts(self) -> dict[str, Part]:
        parts: dict[str, Part] = dict.fromkeys(self.embeddings, "embeddings")
        parts.update(dict.fromkeys(self.head, "head"))
        parts.update({name: index for index, name in enumerate(self.blocks)})
        return parts

    def _names(self, part: Part) -> tuple[str, ...]:
        if part == "embeddings":
            return self.embeddings
        return self.head if part == "head" else (self.blocks[part],)

    def part_of(self, parameter_name: str) -> Part:
        """The part of a parameter, given its name.

        Parameters that a fine-tuning method adds belong to the part that contains them.

        Raises:
            KeyError: The model of this anatomy has no such parameter.
        """
        name = parameter_name
        while name not in self._parts:
            if "." not in name:
                raise KeyError(f"{parameter_name} is in no part of this model")
            name = name.rpartition(".")[0]
        return self._parts[name]

    def parameters(self, model: nn.Module, part: Part) -> list[tuple[str, nn.Parameter]]:
        """Names and parameters of one part of ``model``."""
        return [
            (name, parameter)
            for name, parameter in model.named_parameters()
            if self.part_of(name) == part
        ]

    def modules(self, model: nn.Module, part: Part) -> list[nn.Module]:
        """The top-most modules of one part of ``model``."""
        modules = dict(model.named_modules())
        return [modules[name] for name in self._names(part) if name in modules]


def find_anatomy(model: nn.Module) -> Anatomy:
    """Find the parts of ``model``, which must take ``input_ids`` like Hugging Face models.

    The model is run once on a few tokens, without gradients and without dropout; it is not
    changed.

    Raises:
        ModelError: The model is not a single sequence of blocks with separate weights: there is
            no list of blocks, one block is run many times (ALBERT), or there are an encoder and
            a decoder.
    """
    kind = type(model).__name__
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        raise ModelError(
            f"{kind} has an encoder and a decoder, so its blocks do not form a single sequence "
            f"that could be frozen step by step; choose an encoder-only or decoder-only model"
        )
    blocks = _find_blocks(model, kind)
    trace = _run(model, blocks, kind)
    runs = Counter(trace.order)
    for name, block in blocks.items():
        if runs[block] > 1:
            raise ModelError(
                f"{kind} runs one shared block {runs[block]} times (like ALBERT), so its layers "
                f"cannot be frozen one by one; choose a model without shared layers"
            )
        if not runs[block]:
            raise ModelError(
                f"{kind} never calls its block {name}, so the order of its blocks is not known; "
                f"choose another model"
            )
    names = {block: name for name, block in blocks.items()}
    outside: dict[_Side, list[str]] = {"embeddings": [], "head": []}
    _sort_outside(model, "", set(blocks), trace.sides, outside)
    return Anatomy(
        blocks=tuple(names[block] for block in trace.order),
        embeddings=tuple(outside["embeddings"]),
        head=tuple(outside["head"]),
    )


def _find_blocks(model: nn.Module, kind: str) -> dict[str, nn.Module]:
    """The modules, by name, of the module list of one class with the most parameters."""
    stacks: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len({type(child) for child in module}) == 1:
            is_container = isinstance(module[0], (nn.ModuleList, nn.ModuleDict))
            if not is_container and _size(module):
                stacks[name] = module
    if not stacks:
        raise ModelError(
            f"{kind} has no list of modules of one class that could be its Transformer blocks; "
            f"choose a Transformer from Hugging Face"
        )
    chosen = max(stacks, key=lambda name: _size(stacks[name]))
    blocks_class, n_blocks = type(stacks[chosen][0]), len(stacks[chosen])
    for name, stack in stacks.items():
        is_inside = f"{name}.".startswith(f"{chosen}.")
        # XLM keeps attention, feed-forward and norms of its layers in separate lists.
        is_alike = type(stack[0]) is blocks_class or len(stack) == n_blocks > 1
        if is_alike and not is_inside:
            raise ModelError(
                f"{kind} has more than one stack of blocks ({chosen} and {name}), so they do not "
                f"form a single sequence; choose a model with one stack"
            )
    blocks = {f"{chosen}.{index}": block for index, block in enumerate(stacks[chosen])}
    owners = Counter(p for block in blocks.values() for p in block.parameters())
    if max(owners.values()) > 1:
        raise ModelError(
            f"{kind} shares weights between the blocks of {chosen}, so they cannot be frozen one "
            f"by one; choose a model without shared layers"
        )
    return blocks


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records on which side of the blocks each other parameter and module is first used.

    Recording operations instead of module calls also finds weights that are read without calling
    their module, such as DeBERTa's relative position embeddings.
    """

    def __init__(self, model: nn.Module, blocks: dict[str, nn.Module]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.order: list[nn.Module] = []
        self.sides: dict[nn.Module | nn.Parameter, _Side] = {}
        self._blocks = set(blocks.values())
        self._pending = set(blocks.values())
        self._parameters = set(model.parameters())

    def side(self) -> _Side:
        return "embeddings" if self._pending else "head"

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, nn.Parameter) and value in self._parameters:
                self.sides.setdefault(value, self.side())
        return func(*args, **(kwargs or {}))

    def before(self, module: nn.Module, inputs: Any) -> None:
        if module in self._blocks:
            self.order.append(module)
        else:
            self.sides.setdefault(module, self.side())

    def after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._pending.discard(module)


def _run(model: nn.Module, blocks: dict[str, nn.Module], kind: str) -> _Trace:
    trace = _Trace(model, blocks)
    hooks = []
    for module in model.modules():
        if module in trace._blocks:
            hooks.append(module.register_forward_hook(trace.after))
        if module in trace._blocks or not any(module.children()):
            hooks.append(module.register_forward_pre_hook(trace.before))
    tokens = torch.tensor([TOKENS], device=next(model.parameters()).device)
    try:
        with torch.no_grad(), evaluating(model), trace:
            model(input_ids=as_input(model, tokens))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(
            f"{kind} cannot be run on input_ids, so its parts cannot be found: {reason}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    # Parameters that are never used are assigned by their definition, before or after the blocks.
    default: _Side = "embeddings"
    in_blocks = {p for block in blocks.values() for p in block.parameters()}
    for parameter in model.parameters():
        if parameter in in_blocks:
            default = "head"
        trace.sides.setdefault(parameter, default)
    return trace


def as_input(model: nn.Module, tokens: Tensor) -> Tensor:
    """Sequences of tokens as a model takes them: for multiple choice each is the only choice.

    Args:
        model: The model.
        tokens: Shape ``(rows, width)``.
    """
    return tokens[:, None] if type(model).__name__.endswith("ForMultipleChoice") else tokens


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """While active, the model is in eval mode; each module's mode is restored afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _sort_outside(
    module: nn.Module,
    name: str,
    blocks: set[str],
    sides: dict[nn.Module | nn.Parameter, _Side],
    found: dict[_Side, list[str]],
) -> None:
    """Add the top-most modules that are on one side only to ``found``."""
    if name in blocks:
        return
    holds_blocks = any(block.startswith(f"{name}.") for block in blocks) or not name
    members: list[nn.Module | nn.Parameter] = [*module.modules(), *module.parameters()]
    own_sides = {sides[member] for member in members if member in sides}
    if not holds_blocks and len(own_sides) == 1:
        found[own_sides.pop()].append(name)
        return
    prefix = f"{name}." if name else ""
    for parameter_name, parameter in module.named_parameters(recurse=False):
        found[sides[parameter]].append(prefix + parameter_name)
    for child_name, child in module.named_children():
        _sort_outside(child, prefix + child_name, blocks, sides, found)
