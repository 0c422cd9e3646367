"""Multi-objective asynchronous successive halving (Schmucker et al., arXiv 2106.12639)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from progsearch.strategy.judges.base import Curve, Evidence, Judge
from progsearch.study.dominance import directions, non_dominated

_REDUCTION = 2


class MoAsha(Judge):
    """Continues the best part of the trials that reached the same epoch.

    The ends of epochs are the rungs. The trials that were measured at a rung are ranked by
    non-dominated sorting of metric and costs, within a front by an epsilon-net; the best
    1/``reduction`` of them continue. A stopped trial that enters this part as others arrive
    is resumed before any new one begins.

    Args:
        reduction: The reduction factor (eta), at least 2.
    """

    # Stages end at other steps in every trial; at a rung many trials were measured.
    within_epochs = False

    def __init__(self, reduction: int = _REDUCTION) -> None:
        self._reduction = reduction

    def stops(self, trial: Curve, evidence: Evidence) -> bool:
        """See `Judge`."""
        return trial.number not in self._best([trial, *evidence.others], trial.reached)

    def resumes(self, stopped: Sequence[Curve], evidence: Evidence) -> int | None:
        """The first trial of the highest rung that may continue."""
        for rung in sorted({trial.reached for trial in stopped}, reverse=True):
            waiting = {trial.number for trial in stopped if trial.reached == rung}
            for number in self._best([*stopped, *evidence.others], rung):
                if number in waiting:
                    return number
        return None

    def _best(self, trials: Sequence[Curve], rung: float) -> list[int]:
        there = sorted((t for t in trials if rung in t.metrics), key=lambda trial: trial.number)
        order = ranked([(t.metrics[rung], *t.costs) for t in there])
        return [there[index].number for index in order[: len(there) // self._reduction]]


def ranked(points: Sequence[tuple[float, ...]]) -> list[int]:
    """The indices of ``points``, best first: front after front, each as an epsilon-net.

    Args:
        points: Metric (maximised) and costs (minimised) of each trial.
    """
    found: list[int] = []
    left = list(range(len(points)))
    while left:
        # `non_dominated` keeps one of several equal points; the others belong to its front, too.
        kept = non_dominated([points[index] for index in left], directions(len(points[0])))
        values = {points[left[index]] for index in kept}
        front = [index for index in left if points[index] in values]
        found += [front[index] for index in epsilon_net([points[index] for index in front])]
        left = [index for index in left if points[index] not in values]
    return found


def epsilon_net(points: Sequence[tuple[float, ...]]) -> list[int]:
    """The indices ordered such that each is the farthest from those before it.

    The first is that of the best metric. Objectives are scaled by their range.
    """
    array = np.asarray(points, dtype=float)
    spread = np.ptp(array, axis=0)
    scaled = array / np.where(spread > 0, spread, 1.0)
    order = [int(np.argmax(array[:, 0]))]
    distance = np.full(len(array), math.inf)
    while len(order) < len(array):
        distance = np.minimum(distance, np.linalg.norm(scaled - scaled[order[-1]], axis=1))
        distance[order] = -1.0
        order.append(int(np.argmax(distance)))
    return order
