"""The input of a contribution metric: a model, a few batches, and ways to measure them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from progsearch.contribution.fitting import fit, only_trains
from progsearch.contribution.gradients import mean_gradients, mean_squared_gradients
from progsearch.errors import MetricError
from progsearch.models.anatomy import Anatomy, Part
from progsearch.models.blocks import hidden_input, hidden_output, with_hidden
from progsearch.tasks.split import batch_units


@dataclass
class Probe:
    """A model with a small sample of its task's data.

    Every method restores the weights, ``requires_grad`` flags and mode of the model, and computes
    without dropout.

    Attributes:
        model: The model with its head, on the device of the batches.
        anatomy: The parts of ``model``.
        batches: The data that scores are measured on. Each batch holds ``input_ids`` and
            ``attention_mask`` of shape ``(examples, tokens)``, padded on the right, and the
            targets, such as ``labels`` of shape ``(examples,)``.
        train_batches: The data that metrics may train on; examples that are not in ``batches``.
        seed: For every random choice of a metric.
    """

    model: nn.Module
    anatomy: Anatomy
    batches: list[dict[str, Tensor]]
    train_batches: list[dict[str, Tensor]]
    seed: int

    @property
    def n_blocks(self) -> int:
        """Number of blocks, which is the number of scores."""
        return self.anatomy.n_blocks

    @property
    def device(self) -> torch.device:
        """The model's device."""
        return next(self.model.parameters()).device

    def parameters(self, part: Part) -> list[nn.Parameter]:
        """The parameters of one part of the model."""
        return [parameter for _, parameter in self.anatomy.parameters(self.model, part)]

    @cached_property
    def gradients(self) -> list[list[Tensor]]:
        """The gradient of the mean loss on ``batches``, computed once.

        Per block, one tensor for each of its `parameters`, in the parameter's shape.
        """
        return mean_gradients(self.model, self._blocks, self.batches)

    @cached_property
    def squared_gradients(self) -> list[list[Tensor]]:
        """Like `gradients`: the mean over examples of the elementwise square of each gradient."""
        return mean_squared_gradients(self.model, self._blocks, self.batches)

    @property
    def _blocks(self) -> list[list[nn.Parameter]]:
        return [self.parameters(block) for block in range(self.n_blocks)]

    def loss(self) -> float:
        """Mean loss over the examples of ``batches``."""
        with torch.no_grad(), only_trains(self.model, []):
            losses = [self.model(**batch).loss for batch in self.batches]
        units = [batch_units(batch) for batch in self.batches]
        total = sum(float(loss) * n for loss, n in zip(losses, units, strict=True))
        return total / sum(units)

    @contextmanager
    def skipping(self, block: int) -> Iterator[None]:
        """While active, ``block`` passes its hidden states on unchanged."""

        def skip(_: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
            return with_hidden(output, hidden_input(args, kwargs))

        module = self.model.get_submodule(self.anatomy.blocks[block])
        handle = module.register_forward_hook(skip, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def block_states(self) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """Hidden states before and after every block, for each batch.

        Yields:
            One ``(input, output)`` pair per block, each of shape ``(tokens, hidden_size)``, with
            the tokens of all examples of the batch, without padding.
        """
        names = self.anatomy.blocks
        for batch in self.batches:
            states: dict[str, tuple[Tensor, Tensor]] = {}
            mask = batch["attention_mask"].bool().flatten(0, -2)
            with torch.no_grad(), only_trains(self.model, []), ExitStack() as hooks:
                for name in names:
                    hook = partial(_record, states, name, mask)
                    module = self.model.get_submodule(name)
                    hooks.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
                self.model(**batch)
            yield [states[name] for name in names]

    @contextmanager
    def trained(self, parts: Sequence[Part], *, learning_rate: float) -> Iterator[None]:
        """Train ``parts`` on ``train_batches``, one step per batch; restore weights on exit."""
        parameters = [parameter for part in parts for parameter in self.parameters(part)]
        before = [parameter.detach().clone() for parameter in parameters]
        try:
            fit(self.model, parameters, self.train_batches, learning_rate=learning_rate)
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(parameters, before, strict=True):
                    parameter.copy_(value)


def _record(
    states: dict[str, tuple[Tensor, Tensor]],
    name: str,
    is_token: Tensor,
    _: nn.Module,
    args: Any,
    kwargs: Any,
    output: Any,
) -> None:
    before, after = hidden_input(args, kwargs), hidden_output(output)
    for hidden in (before, after):
        if hidden.shape[:-1] != is_token.shape:
            raise MetricError(
                f"block {name} has states of shape {tuple(hidden.shape)} for a batch of shape "
                f"{tuple(is_token.shape)}, so metrics that compare a block's states cannot score "
                "it; choose metrics based on gradients, such as grad_norm, in the search space"
            )
    states[name] = (before[is_token], after[is_token])
