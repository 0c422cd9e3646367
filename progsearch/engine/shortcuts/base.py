"""What every shortcut promises: it spares work and changes no number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from progsearch.engine.batches import Batch, Indices
from progsearch.tasks import Split

Update = Callable[[list[Batch], list[Tensor]], None]


@dataclass(frozen=True)
class StageStart:
    """A stage that begins, or that a run continues in its middle.

    Attributes:
        first: The first step of the stage.
        end: The step after its last one.
        step: The step that the run continues with.
        frozen_prefix: How many leading blocks are a constant function of the input.
        frozen_since: The step from which they have been frozen.
        frozen_after: Which other blocks are frozen, and why their output changes all the same;
            None if there are none.
    """

    first: int
    end: int
    step: int
    frozen_prefix: int
    frozen_since: int
    frozen_after: str | None


class Shortcut:
    """Spares a run work that changes no number.

    The engine tells each shortcut of a run what happens, in this order; by default a shortcut
    does nothing. Training with any of them left out gives the same weights, except for what
    rounds in the last digits when tensors have other shapes.

    Attributes:
        title: What it is called in messages.
    """

    title: ClassVar[str] = "shortcut"

    def enter_stage(self, start: StageStart) -> None:
        """Other parts are trained from now on; they are frozen and thawed already."""

    def prepare(self, split: Split, indices: Indices, forward: Callable[[Batch], Any]) -> None:
        """These examples will pass the model: those of an epoch, or all of an evaluation.

        Args:
            split: Where they are from.
            indices: Which they are.
            forward: Makes the forward pass of a batch.
        """

    def step(
        self, batches: list[Batch], rows: list[Tensor], update: Update
    ) -> Callable[[], None] | None:
        """A quicker way to do the same as ``update`` for these batches; None if there is none.

        Args:
            batches: Those of the next optimizer step.
            rows: The numbers of their examples, on the CPU.
            update: Makes a step, given batches and the numbers of their examples on the device.
        """
        return None

    def around(
        self, batch: Batch, rows: Tensor, inputs: dict[str, Tensor]
    ) -> AbstractContextManager[None]:
        """Active while a batch passes the model.

        Args:
            batch: The batch.
            rows: The numbers of its examples, on the device.
            inputs: What the model is given.
        """
        return nullcontext()

    def forget(self) -> None:
        """Weights were replaced: nothing that was computed from them holds any more."""

    def finish(self, decay: Callable[[str], float]) -> None:
        """The training is over: leave the model whole. May be called again.

        Args:
            decay: What weight decay alone made of the parameter of a name, as a factor.
        """


class Shortcuts(Shortcut):
    """All shortcuts of a run as one.

    Args:
        shortcuts: In the order in which they are told; each is active inside those before it.
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
        """That of the first shortcut that has one."""
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
