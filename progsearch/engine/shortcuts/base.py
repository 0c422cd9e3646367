"""The base class of shortcuts: they save work and do not change the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from progsearch.engine.batches import Batch, Indices
from progsearch.engine.freezer import Freezer, Span
from progsearch.tasks import Split

Update = Callable[[list[Batch], list[Tensor]], None]


@dataclass(frozen=True)
class StageStart:
    """A stage that begins, or that is resumed midway.

    Attributes:
        first: The first step of the stage.
        end: The step after its last one.
        step: The next step of the run.
        frozen_prefix: The number of leading blocks whose output depends only on the input.
        frozen_since: The step from which they have been frozen.
        frozen_after: Names the other frozen blocks and why their output still changes; None if
            there are none.
    """

    first: int
    end: int
    step: int
    frozen_prefix: int
    frozen_since: int
    frozen_after: str | None

    @classmethod
    def of(cls, freezer: Freezer, span: Span, step: int, spans: Iterable[Span]) -> StageStart:
        """The start of a stage.

        Args:
            freezer: The run's.
            span: The stage with its first step and the step after its last.
            step: The next step of the run.
            spans: All stages of the run.
        """
        first, end, stage = span
        return cls(
            first,
            end,
            step,
            frozen_prefix=freezer.frozen_prefix(stage),
            frozen_since=freezer.frozen_since(stage, spans, first),
            frozen_after=freezer.frozen_after_prefix(stage),
        )


class Shortcut:
    """Saves a run work without changing its result.

    The engine calls these methods; by default they do nothing. A training step calls `step`, and
    then `around` unless `step` gave an equivalent. Training without a shortcut gives the same
    weights, up to rounding where tensors have other shapes.

    Attributes:
        title: Its name in messages.
    """

    title: ClassVar[str] = "shortcut"

    def enter_stage(self, start: StageStart) -> None:
        """A stage begins; its parts have already been frozen and unfrozen."""

    def prepare(self, split: Split, indices: Indices, forward: Callable[[Batch], Any]) -> None:
        """Prepare for forward passes of these examples: of an evaluation, or of training.

        Args:
            split: The split that they are from.
            indices: Their indices in the split.
            forward: Runs the forward pass of a batch.
        """

    def step(
        self, batches: list[Batch], rows: list[Tensor], update: Update
    ) -> Callable[[], None] | None:
        """A faster equivalent of ``update`` for these batches; None if there is none.

        Args:
            batches: The batches of the next optimizer step.
            rows: Their example indices, on the CPU.
            update: Makes an optimizer step, given batches and their example indices on the device.
        """
        return None

    def around(
        self, batch: Batch, rows: Tensor, inputs: dict[str, Tensor]
    ) -> AbstractContextManager[None]:
        """A context that is active during the forward pass of a batch.

        Args:
            batch: The batch.
            rows: Its example indices, on the device.
            inputs: The arguments of the model.
        """
        return nullcontext()

    def forget(self) -> None:
        """Weights were replaced: drop everything that was computed from them."""

    def finish(self, decay: Callable[[str], float]) -> None:
        """Training is over: restore the whole model. May be called again.

        Args:
            decay: Given a parameter's name, the factor by which weight decay alone has scaled it.
        """


class Shortcuts(Shortcut):
    """All shortcuts of a run as one.

    Args:
        shortcuts: In the order in which they are called; each is active inside those before it.
    """

    def __init__(self, shortcuts: Iterable[Shortcut]) -> None:
        self.all = tuple(shortcuts)

    def enter_stage(self, start: StageStart) -> None:
        """See `Shortcut.enter_stage`."""
        for shortcut in self.all:
            shortcut.enter_stage(start)

    def prepare(self, split: Split, indices: Indices, forward: Callable[[Batch], Any]) -> None:
        """See `Shortcut.prepare`."""
        for shortcut in self.all:
            shortcut.prepare(split, indices, forward)

    def step(
        self, batches: list[Batch], rows: list[Tensor], update: Update
    ) -> Callable[[], None] | None:
        """The faster step of the first shortcut that has one."""
        ways = (shortcut.step(batches, rows, update) for shortcut in self.all)
        return next((way for way in ways if way is not None), None)

    @contextmanager
    def around(self, batch: Batch, rows: Tensor, inputs: dict[str, Tensor]) -> Iterator[None]:
        """See `Shortcut.around`."""
        with ExitStack() as stack:
            for shortcut in self.all:
                stack.enter_context(shortcut.around(batch, rows, inputs))
            yield

    def forget(self) -> None:
        """See `Shortcut.forget`."""
        for shortcut in self.all:
            shortcut.forget()

    def finish(self, decay: Callable[[str], float]) -> None:
        """See `Shortcut.finish`."""
        for shortcut in self.all:
            shortcut.finish(decay)
