"""What a run trains, cut into segments, and what it has trained so far, as keys.

Equal keys mean equal weights. Pure data, so that the driver of a search can tell which trials
share work without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from progsearch.cache import content_key
from progsearch.schedule.schedule import Schedule
from progsearch.schedule.stages import Stage


class SegmentPlan:
    """The segments of a run: it is cut at the ends of stages and of epochs.

    The one place that holds a run's schedule.

    Args:
        schedule: The stages.
        steps_per_epoch: Optimizer steps of one epoch.
        epochs: Of the whole run.

    Attributes:
        schedule: The stages.
        steps_per_epoch: Optimizer steps of one epoch.
        total_steps: Optimizer steps of the whole run.
    """

    def __init__(self, schedule: Schedule, steps_per_epoch: int, epochs: int) -> None:
        self.schedule = schedule
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = steps_per_epoch * epochs

    @property
    def spans(self) -> list[tuple[int, int, Stage]]:
        """The stages as ``(first step, end step, stage)``."""
        return self.schedule.spans(self.total_steps)

    def stages_between(self, first: int, end: int) -> list[Stage]:
        """The stages that have steps in ``first`` to ``end``."""
        return [stage for start, stop, stage in self.spans if start < end and stop > first]

    def ends(self) -> list[int]:
        """The last step of each segment, ascending."""
        return self._cut(self.schedule.canonical())

    def segments(self, root: Sequence[Any]) -> tuple[tuple[int, str], ...]:
        """End step and key of each segment that is known before the training.

        Args:
            root: JSON-able: all but the schedule that determines the weights, such as model,
                data, seed and hyperparameters.
        """
        ends = self.ends()
        return tuple(zip(ends, self.keys(root, ends), strict=True))

    def keys(self, root: Sequence[Any], ends: Iterable[int]) -> list[str]:
        """The key of the state after each of the steps ``ends``.

        Only what is trained up to an end is part of its key, and neighbours that train the same
        count as one stage.

        Args:
            root: As for `segments`.
            ends: Steps.
        """
        spans = self.schedule.canonical().spans(self.total_steps)
        return [
            content_key(
                list(root),
                [(min(last, end), *stage.trains) for first, last, stage in spans if first < end],
            )
            for end in ends
        ]

    def _cut(self, stages: Schedule) -> list[int]:
        ends = {end for _, end, _ in stages.spans(self.total_steps)}
        epochs = range(self.steps_per_epoch, self.total_steps + 1, self.steps_per_epoch)
        return sorted(ends | set(epochs))


@dataclass
class Lineage:
    """What determines the weights of a run, at any of its steps.

    The number of processes that train together counts: sums are rounded otherwise, and each has
    random numbers of its own. Stored steps may be those of another number than the run has.

    Attributes:
        pretrained: JSON-able: all that determines the weights before the first step, except
            those of the new head.
        root: The same for the training, except the schedule.
        plan: What is trained; its past steps do not change.
        ranks: The number of processes of the run.
        others: The first steps that another number of processes made, and that number; None if
            there are none.
    """

    pretrained: Sequence[Any]
    root: Sequence[Any]
    plan: SegmentPlan
    ranks: int = 1
    others: tuple[int, int] | None = None

    def key(self, step: int) -> str:
        """The key of the state after ``step``."""
        (key,) = self.plan.keys([*self.root, *self._made_by(step)], [step])
        return key

    def made_by_others(self, step: int) -> bool:
        """Whether the step before ``step`` was made by another number of processes."""
        return self.others is not None and step <= self.others[0]

    def train_from(self, step: int) -> None:
        """From now on, the run trains its own steps after ``step``."""
        if self.others is not None:
            end, ranks = self.others
            self.others = (min(step, end), ranks) if step else None

    def _made_by(self, step: int) -> list[Any]:
        """The number of processes of the steps before ``step``; one is left out."""
        made = [(step, self.ranks)]
        if self.others is not None:
            end, ranks = self.others
            made = [(min(end, step), ranks), *(made if step > end else [])]
        return [] if made == [(step, 1)] else [["processes", made]]

    def origin(self, step: int) -> Sequence[Any]:
        """All that determines the weights of embeddings and blocks after ``step``, JSON-able."""
        return [self.key(step)] if step else self.pretrained
