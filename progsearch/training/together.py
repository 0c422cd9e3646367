"""A run that several processes train: what rank 0 tells the others, and what they do then."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch

from progsearch.config import RunConfig
from progsearch.engine.lockstep import Advance, Command, Drop, Restore
from progsearch.engine.ranks import Ranks
from progsearch.store import Store
from progsearch.training.assembly import Parts, assemble

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Begin(Command):
    """Load the parts of a run.

    Attributes:
        config: Its config.
        prefix_cache: Whether the output of the frozen prefix is cached.
    """

    config: RunConfig
    prefix_cache: bool


def lead(
    ranks: Ranks,
    config: RunConfig,
    *,
    store: Store | None,
    prefix_cache: bool,
    threads: int | None,
) -> Parts:
    """The parts of a run that all ranks train; rank 0 calls it while the others `follow`.

    Raises:
        ProgsearchError: As in `TrainingRun.from_config`.
        RankLost: Another rank has died.
    """
    begin = Begin(ranks.next_run(), config, prefix_cache)
    ranks.send(begin)
    return _assembled(ranks, begin, store=store, threads=threads)


def follow(ranks: Ranks) -> None:
    """Train what rank 0 trains, in a process of another rank.

    It serves any number of runs, and returns after `Ranks.dismiss`; then it may be called again.
    A run that fails in this process fails in rank 0, too, and is only logged here.

    Args:
        ranks: The group.

    Raises:
        RankLost: Rank 0 or another rank has died, or rank 0 has left the group.
    """
    runs: dict[int, Parts] = {}
    while (command := ranks.receive()) is not None:
        try:
            with ranks.lockstep():
                _obey(ranks, command, runs)
        except Exception as error:
            if not ranks.is_open:
                raise
            _log.info("process %d of %d: %s", ranks.rank, ranks.size, error, exc_info=error)


def _obey(ranks: Ranks, command: Any, runs: dict[int, Parts]) -> None:
    match command:
        case Begin():
            runs[command.run] = _assembled(ranks, command)
        case Restore():
            tensors = ranks.receive_tensors()
            engine = runs[command.run].engine
            ranks.attempt(engine.restore, command.step, [tensors])
            ranks.meet()
        case Advance():
            parts = runs[command.run]
            parts.plan.schedule = command.schedule
            torch.set_num_threads(command.threads)
            parts.engine.advance(command.until)
        case Drop():
            runs.pop(command.run, None)


def _assembled(
    ranks: Ranks, begin: Begin, *, store: Store | None = None, threads: int | None = None
) -> Parts:
    with ranks.lockstep():
        parts = ranks.attempt(
            assemble,
            begin.config,
            device=str(ranks.device),
            store=store,
            prefix_cache=begin.prefix_cache,
            threads=threads,
            ranks=ranks,
            number=begin.run,
        )
        ranks.meet()
        assert parts is not None, "what failed in any rank was raised"
        ranks.agree(parts.root)
    return parts
