"""Multi-objective asynchronous successive halving (arXiv 2106.12639), one worker."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from progsearch.report.front import non_dominated

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

    def __call__(self, table: Table, column: int, seed: int) -> Iterator[Event]:
        """See `Strategy`."""
        rungs = [_Rung() for _ in table.entries[0].segments]
        draws = draw(table, random_sampler(seed))
        steps = trials = 0
        while True:
            level, entry = self._promote(rungs) or (0, None)
            if entry is None:
                entry = next(draws)
                trials += 1
            start = entry.segments[level - 1][0] if level else 0
            steps += entry.segments[level][0] - start
            point = (entry.accuracy[column][level], entry.updated_parameters)
            rungs[level].entries.append(entry)
            rungs[level].points.append(point)
            yield Event(steps, trials, point if level == len(rungs) - 1 else None)

    def _promote(self, rungs: Sequence[_Rung]) -> tuple[int, Entry] | None:
        """The rung to reach next and who is to; None where a new trial should start."""
        for level in reversed(range(len(rungs) - 1)):
            rung = rungs[level]
            best = ranked(rung.points, len(rung.points) // self.factor)
            for index in best:
                if index not in rung.promoted:
                    rung.promoted.add(index)
                    return level + 1, rung.entries[index]
        return None


def ranked(points: Sequence[Point], count: int) -> list[int]:
    """The best ``count`` indices: front after front, each in the order of an epsilon-net."""
    found: list[int] = []
    left = list(range(len(points)))
    while left and len(found) < count:
        # `non_dominated` keeps one of several equal points; the others belong to its front, too.
        kept = non_dominated([points[index] for index in left], ["maximize", "minimize"])
        values = {points[left[index]] for index in kept}
        front = [index for index in left if points[index] in values]
        found += [front[index] for index in epsilon_net([points[index] for index in front])]
        left = [index for index in left if points[index] not in values]
    return found[:count]


def epsilon_net(points: Sequence[Point]) -> list[int]:
    """The indices ordered such that each is the farthest from those before it.

    The first is the one of the best accuracy. Objectives are scaled by their range, since
    accuracies lie closer together than updated parameters.
    """
    array = np.array(points)
    spread = np.ptp(array, axis=0)
    scaled = array / np.where(spread > 0, spread, 1.0)
    order = [int(np.argmax(array[:, 0]))]
    distance = np.full(len(array), math.inf)
    while len(order) < len(array):
        distance = np.minimum(distance, np.linalg.norm(scaled - scaled[order[-1]], axis=1))
        distance[order] = -1.0
        order.append(int(np.argmax(distance)))
    return order
