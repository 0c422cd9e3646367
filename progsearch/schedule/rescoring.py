"""The plan of a run whose stages choose their blocks when they begin (the paper's dynamic choice).

The number of blocks that a stage trains is known before the training; which blocks follows from
the scores at that time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from progsearch.cache import content_key
from progsearch.config import ContributionConfig
from progsearch.schedule.plan import SegmentPlan
from progsearch.schedule.schedule import Schedule
from progsearch.schedule.scores import by_contribution, checked_scores
from progsearch.schedule.stages import Stage


def make_plan(
    schedule: Schedule,
    steps_per_epoch: int,
    epochs: int,
    contribution: ContributionConfig | None = None,
) -> SegmentPlan:
    """The plan of a run; with ``rescore`` set, one that chooses as it trains."""
    if contribution is not None and contribution.rescore:
        return RescoringPlan(schedule, steps_per_epoch, epochs, contribution.metric)
    return SegmentPlan(schedule, steps_per_epoch, epochs)


class RescoringPlan(SegmentPlan):
    """The plan of a run whose later stages choose their blocks when they begin.

    The first stage and stages that train all blocks or no block have nothing to choose.

    Args:
        schedule: The stages as they are planned: how many blocks each trains counts.
        steps_per_epoch: Optimizer steps of one epoch.
        epochs: Of the whole run.
        metric: The contribution metric that scores the blocks.

    Attributes:
        schedule: The stages, with the blocks that were chosen so far.
        metric: The contribution metric that scores the blocks.
        choices: The steps at which a stage that chooses its blocks begins, ascending.
    """

    def __init__(self, schedule: Schedule, steps_per_epoch: int, epochs: int, metric: str) -> None:
        super().__init__(schedule, steps_per_epoch, epochs)
        self.metric = metric
        self.choices = tuple(
            first for first, _, stage in self.spans if self._chooses(first, stage)
        )

    def _chooses(self, first: int, stage: Stage) -> bool:
        return first > 0 and 0 < len(stage.trainable_blocks) < self.schedule.n_blocks

    def choose(self, step: int, scores: Sequence[float]) -> None:
        """Have the stage that begins at ``step`` train the blocks of the highest scores.

        Args:
            step: One of `choices`.
            scores: One contribution per block, higher means more worth training.

        Raises:
            ScheduleError: Scores are not finite or not one per block.
        """
        stage = next(stage for first, _, stage in self.spans if first == step)
        self.schedule = rescored(self.schedule, stage, scores)

    def ends(self) -> list[int]:
        """As `SegmentPlan.ends`; neighbours that are equal as planned may differ once chosen."""
        return self._cut(self.schedule)

    def segments(self, root: Sequence[Any]) -> tuple[tuple[int, str], ...]:
        """End step and key of each segment that is known before the training.

        Which blocks a stage will choose is not known, but it follows from the steps before and
        from how many it trains. So equal keys still mean equal weights, while two ways to the
        same blocks have different keys from there on.
        """
        planned = [
            (first, last, (len(s.trainable_blocks), *s.trains[1:]))
            if first in self.choices
            else (first, last, s.trains)
            for first, last, s in self.spans
        ]
        ends = self.ends()
        keys = [
            content_key(
                list(root),
                self.metric,
                [(min(last, end), *trains) for first, last, trains in planned if first < end],
            )
            if any(first < end for first in self.choices)
            else key
            for key, end in zip(self.keys(root, ends), ends, strict=True)
        ]
        return tuple(zip(ends, keys, strict=True))


def rescored(schedule: Schedule, stage: Stage, scores: Sequence[float]) -> Schedule:
    """The same schedule with the blocks of ``stage`` chosen by ``scores``.

    The number of trained blocks stays the same: those with the highest scores are trained.

    Args:
        schedule: The stages.
        stage: One of them.
        scores: One contribution per block, higher means more worth training.

    Raises:
        ScheduleError: Scores are not finite or not one per block.
    """
    order = by_contribution(checked_scores(scores, schedule.n_blocks))
    blocks = sorted(order[schedule.n_blocks - len(stage.trainable_blocks) :])
    chosen = replace(stage, trainable_blocks=tuple(blocks))
    stages = tuple(chosen if s is stage else s for s in schedule.stages)
    return replace(schedule, stages=stages)
