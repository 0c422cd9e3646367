"""Holds the weights of frozen linear layers in 16 or 4 bits.

The exact values of a weight are its master. While a weight is frozen, no step needs them: they
are put aside, in the machine's memory for a model on a GPU, in a memory-mapped file for one on a
CPU. A block that thaws starts from them, and they are what is stored and saved.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from progsearch.config import FrozenDtype, Precision
from progsearch.engine.four_bits import Packed, packed_bytes
from progsearch.engine.mapped import mapped
from progsearch.engine.precision import DTYPES, autocast
from progsearch.engine.state import weight_key
from progsearch.errors import MachineFailed, ModelError
from progsearch.models.anatomy import Anatomy, evaluating
from progsearch.models.blocks import hidden_output
from progsearch.tasks import Split

_log = logging.getLogger(__name__)


def rounds(choice: FrozenDtype, precision: Precision) -> bool:
    """Whether holding frozen weights changes numbers: passes do not round the weights anyway."""
    return choice == "nf4" or (choice == "bf16" and precision != "bf16")


class FrozenWeights:
    """The linear weights in the blocks of a model: held in 16 or 4 bits while they are frozen.

    In the dtype of a pass under autocast they give the same bits, since autocast casts the weights
    of linear layers to it for each product; norms, biases and embeddings stay in fp32. In another
    dtype or in 4 bits, they are converted to the dtype of the pass for each product, in the
    backward pass again.

    A weight in 4 bits is NaN as a parameter, so that a model that reads it anywhere but in its
    layer's product is found out.

    Args:
        model: The model, in fp32.
        anatomy: Its parts.
        choice: See `TrainingConfig.frozen_dtype`.
        precision: The resolved precision of the passes.
    """

    def __init__(
        self, model: nn.Module, anatomy: Anatomy, choice: FrozenDtype, precision: Precision
    ) -> None:
        self._model = model
        self._precision = precision
        self._choice = choice
        self._rounds = rounds(choice, precision)
        self._holds = choice == "nf4" or held_dtype(choice, precision) != torch.float32
        self._blocks = [model.get_submodule(name) for name in anatomy.blocks]
        self._layers = dict(_linear_layers(model, anatomy))
        self._masters: dict[str, Tensor] = {}
        self._compared = False

    def hold(self, split: Split) -> None:
        """Hold the weights that are frozen now, and give those that are not their masters back.

        Args:
            split: Examples. The first time, the outputs for one of them before and after are
                compared: a model may use the weight of a layer in another way.

        Raises:
            ModelError: The model cannot be used with weights that are held as asked for.
            MachineFailed: There is no room for the exact weights, and without them the numbers
                would be others.
        """
        for name in [n for n in self._masters if self._layers[n].weight.requires_grad]:
            self._release(name)
        frozen = [
            name
            for name, layer in self._layers.items()
            if not layer.weight.requires_grad and name not in self._masters
        ]
        if not self._holds or not frozen:
            return
        compares = not self._compared
        before = self._outputs(split) if compares and not self._rounds else None
        try:
            for name in frozen:
                self._hold(name)
            if compares and not self._is_same(self._outputs(split), before):
                self._do_without("outputs would change")
        except torch.OutOfMemoryError:
            raise
        except (OSError, RuntimeError) as error:
            self._do_without(f"{type(error).__name__}: {error}", error)
        self._compared = True

    def release(self) -> None:
        """Put all masters back; `hold` puts them aside again."""
        for name in [*self._masters]:
            self._release(name)

    def masters(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The masters of those of the parameters ``names`` that are held, by `weight_key`."""
        layers = {name: name.removesuffix(".weight") for name in names}
        return {
            weight_key(name): self._masters[layer]
            for name, layer in layers.items()
            if layer in self._masters
        }

    def _is_same(self, outputs: list[Tensor], before: list[Tensor] | None) -> bool:
        if before is None:
            return all(bool(output.isfinite().all()) for output in outputs)
        return all(map(torch.equal, outputs, before))

    def _do_without(self, reason: str, error: Exception | None = None) -> None:
        """Hold everything in fp32, if that gives the same numbers."""
        self.release()
        if not self._rounds:
            _log.info("frozen weights stay in fp32: %s", reason)
            self._holds = False
            return
        kind = MachineFailed if isinstance(error, OSError) else ModelError
        raise kind(
            f"the frozen weights of {type(self._model).__name__} cannot be held in "
            f"{self._choice} ({reason}); give --frozen-dtype auto, and lora instead of qlora"
        ) from error

    @torch.no_grad()
    def _outputs(self, split: Split) -> list[Tensor]:
        """The outputs of all blocks for the first example: those of the head are rounded more."""
        found: list[Tensor] = []
        device = next(self._model.parameters()).device
        inputs = split.gather(torch.zeros(1, dtype=torch.long, device=device), split.lengths[0])
        with ExitStack() as stack, evaluating(self._model), autocast(self._precision, device):
            for block in self._blocks:
                hook = block.register_forward_hook(
                    lambda block, args, output: found.append(hidden_output(output))
                )
                stack.callback(hook.remove)
            self._model(**inputs)
        return found

    def _hold(self, name: str) -> None:
        layer = self._layers[name]
        exact = layer.weight.detach()
        self._masters[name] = _aside(exact)
        held: Tensor | Packed
        if self._choice == "nf4":
            held = Packed.of(exact)
            layer.weight.data = exact.new_full((), math.nan).expand(exact.shape)
        else:
            held = layer.weight.data = exact.to(held_dtype(self._choice, self._precision))
        if self._rounds:
            layer.forward = partial(_forward, layer, held)

    def _release(self, name: str) -> None:
        layer, exact = self._layers[name], self._masters.pop(name)
        # A copy: the trained weight must not be a file.
        layer.weight.data = exact.to(layer.weight.device, copy=True)
        vars(layer).pop("forward", None)


def held_dtype(choice: FrozenDtype, precision: Precision) -> torch.dtype:
    """The dtype in which frozen weights are held, if not in 4 bits."""
    if choice == "bf16":
        return torch.bfloat16
    return torch.float32 if choice == "fp32" else DTYPES.get(precision, torch.float32)


def held_bytes(numbers: int, choice: FrozenDtype, precision: Precision) -> int:
    """The bytes of a frozen weight of so many numbers."""
    if choice == "nf4":
        return packed_bytes(numbers)
    return numbers * held_dtype(choice, precision).itemsize


def held_weights(model: nn.Module, anatomy: Anatomy) -> dict[str, nn.Parameter]:
    """The weights that are held in fewer bits while they are frozen, by name."""
    return {f"{name}.weight": layer.weight for name, layer in _linear_layers(model, anatomy)}


def _linear_layers(model: nn.Module, anatomy: Anatomy) -> Iterator[tuple[str, Any]]:
    for block in anatomy.blocks:
        for name, layer in model.get_submodule(block).named_modules():
            # peft casts the input of its matrices to their dtype, and they are small.
            if type(layer) in (nn.Linear, Conv1D) and "lora_" not in name:
                yield f"{block}.{name}", layer


def _aside(exact: Tensor) -> Tensor:
    """A copy outside of the memory in which the model computes."""
    if exact.device.type != "cpu":
        return exact.cpu()
    return mapped(exact.shape, exact.dtype).copy_(exact)


class _Product(torch.autograd.Function):
    """``hidden @ weight`` in the dtype of the pass; keeps the weight as it is held.

    The weight is that of a `Conv1D`, which has the inputs first, or of a linear layer.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, held: Tensor | Packed, inputs_first: bool) -> Tensor:
        ctx.held, ctx.inputs_first = held, inputs_first
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        weight = held.to(dtype)
        return hidden.to(dtype) @ (weight if inputs_first else weight.t())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        weight = ctx.held.to(gradient.dtype)
        return gradient @ (weight.t() if ctx.inputs_first else weight), None, None


def _forward(layer: Any, held: Tensor | Packed, hidden: Tensor) -> Tensor:
    """The forward pass of a linear layer whose weight is held in another way."""
    inputs_first = isinstance(layer, Conv1D)
    product: Tensor = _Product.apply(hidden, held, inputs_first)  # type: ignore[no-untyped-call]
    return product if layer.bias is None else product + layer.bias.to(product.dtype)
