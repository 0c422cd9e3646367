"""The engine of rank 0 and the commands by which those of the other ranks do the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from progsearch.engine.loop import Engine
from progsearch.engine.ranks import Ranks
from progsearch.engine.state import latest
from progsearch.errors import RankLost
from progsearch.schedule import Schedule


@dataclass(frozen=True)
class Command:
    """What the engines of the other ranks do next.

    Attributes:
        run: The number of the run in its group.
    """

    run: int


@dataclass(frozen=True)
class Advance(Command):
    """Train.

    Attributes:
        until: See `Engine.advance`.
        schedule: The stages, as chosen so far.
        threads: The number of threads of each rank on a CPU; sums depend on it.
    """

    until: int
    schedule: Schedule
    threads: int


@dataclass(frozen=True)
class Restore(Command):
    """Load a state, which follows.

    Attributes:
        step: See `Engine.restore`.
    """

    step: int


@dataclass(frozen=True)
class Drop(Command):
    """Free the memory of the run."""


class LeadingEngine(Engine):
    """The engine of rank 0; those of the other ranks train and restore as it does.

    It alone evaluates, and has states to store.

    Args:
        args: As for `Engine`.
        ranks: The group.
        run: The number of the run in the group.
        settings: As for `Engine`.
    """

    def __init__(self, *args: Any, ranks: Ranks, run: int, **settings: Any) -> None:
        super().__init__(*args, ranks=ranks, **settings)
        self._group = ranks
        self._run = run

    def advance(self, until: int) -> None:
        """See `Engine.advance`."""
        self._group.send(Advance(self._run, until, self._plan.schedule, torch.get_num_threads()))
        super().advance(until)

    def restore(self, step: int, chain: Sequence[dict[str, Tensor]]) -> None:
        """See `Engine.restore`.

        Raises:
            RankLost: Another rank has died.
        """
        ranks = self._group
        with ranks.lockstep():
            ranks.send(Restore(self._run, step))
            ranks.send_tensors(latest(chain))
            ranks.attempt(super().restore, step, chain)
            ranks.meet()

    def finish(self) -> None:
        """See `Engine.finish`."""
        if not self._finished and self._group.is_open:
            # Without the others the run is whole, too.
            with suppress(RankLost):
                self._group.send(Drop(self._run))
        super().finish()
