"""Multi-objective asynchronous successive halving (arXiv 2106.12639), one worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from progsearch.strategy.judges.mo_asha import ranked

from .strategies import Event, draw, random_sampler
from .table import Entry, Table

Point = tuple[float, float]


@dataclass
class _Rung:
    """The trials that reached a rung, in that order, and which of them went on."""

    entries: list[Entry] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    promoted: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class MoAsha:
    """Draws at random; the best 1/``factor`` of a rung go on to the next one.

    The rungs are the ends of the epochs. The updated parameters of a trial that is not at its end
    are those of its whole schedule: they are known before it starts.

    Attributes:
        factor: The reduction factor.
    """

    factor: int

    def __call__(self, table: Table, seen: Sequence[int], seed: int) -> Iterator[Event]:
        """See `Strategy`."""
        rungs = [_Rung() for _ in table.entries[0].segments]
        draws = draw(table, random_sampler(seed))
        steps, n_parts, flops = 0, 0, 0.0
        while True:
            level, entry = self._promote(rungs) or (0, None)
            if entry is None:
                entry = next(draws)
            start = entry.segments[level - 1][0] if level else 0
            steps += entry.segments[level][0] - start
            flops += entry.segment_flops[level]
            point = (entry.curve[seen[0]][level], entry.updated_parameters)
            rungs[level].entries.append(entry)
            rungs[level].points.append(point)
            n_parts += 1
            done = level == len(rungs) - 1
            yield Event(steps, flops, n_parts / len(rungs), entry if done else None)

    def _promote(self, rungs: Sequence[_Rung]) -> tuple[int, Entry] | None:
        """The rung to reach next and who is to; None where a new trial should start."""
        for level in reversed(range(len(rungs) - 1)):
            rung = rungs[level]
            best = ranked(rung.points)[: len(rung.points) // self.factor]
            for index in best:
                if index not in rung.promoted:
                    rung.promoted.add(index)
                    return level + 1, rung.entries[index]
        return None
