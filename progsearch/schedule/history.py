"""What a run has trained so far, as keys: equal keys mean equal weights.

Pure data, so that the driver of a search can tell which trials share work without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from progsearch.cache import content_key
from progsearch.schedule import Schedule


def segment_ends(
    schedule: Schedule, total_steps: int, steps_per_epoch: int, *, rescore: bool = False
) -> list[int]:
    """The steps at which a run is cut into segments: ends of stages and of epochs.

    Args:
        schedule: The stages.
        total_steps: Optimizer steps of the whole run.
        steps_per_epoch: Of one epoch.
        rescore: Whether stages choose their blocks when they begin, so that neighbours that are
            equal now may differ then.
    """
    stages = schedule if rescore else schedule.canonical()
    ends = {end for _, end, _ in stages.spans(total_steps)}
    return sorted(ends | set(range(steps_per_epoch, total_steps + 1, steps_per_epoch)))


def segment_keys(
    root: Sequence[Any], schedule: Schedule, total_steps: int, ends: Iterable[int]
) -> list[str]:
    """The key of the state after each of the steps ``ends``.

    Args:
        root: JSON-able: everything but the schedule that determines the weights, such as model,
            data, seed and hyperparameters.
        schedule: The stages; only what was trained up to an end is part of its key, and
            neighbours that train the same count as one.
        total_steps: Optimizer steps of the whole run.
        ends: Steps, ascending.
    """
    spans = schedule.canonical().spans(total_steps)
    return [
        content_key(
            list(root),
            [(min(last, end), *stage.trains) for first, last, stage in spans if first < end],
        )
        for end in ends
    ]


def rescored_keys(
    root: Sequence[Any], schedule: Schedule, total_steps: int, ends: Sequence[int], metric: str
) -> list[str]:
    """What `segment_keys` gives, for a run whose stages choose their blocks when they begin.

    Which blocks such a stage trains is not known beforehand, but it follows from the steps before
    and from how many it trains. So equal keys still mean equal weights, while two ways to the same
    blocks have different ones from there on.

    Args:
        root: As for `segment_keys`.
        schedule: The stages as they are planned.
        total_steps: Optimizer steps of the whole run.
        ends: Steps, ascending.
        metric: What blocks are scored by.
    """
    chosen = schedule.stages_to_rescore(total_steps)
    planned = [
        (first, last, (len(s.trainable_blocks), *s.trains[1:]) if first in chosen else s.trains)
        for first, last, s in schedule.spans(total_steps)
    ]
    return [
        content_key(
            list(root),
            metric,
            [(min(last, end), *trains) for first, last, trains in planned if first < end],
        )
        if any(first < end for first in chosen)
        else key
        for key, end in zip(segment_keys(root, schedule, total_steps, ends), ends, strict=True)
    ]


@dataclass
class Lineage:
    """What the weights of a run come from, at any of its steps.

    Attributes:
        pretrained: JSON-able: all that determines the weights before the first step, but for
            those of the new head.
        root: The same for the training, but for the schedule.
        schedule: The stages; those that are not begun may be put in place later.
        total_steps: Optimizer steps of the whole run.
    """

    pretrained: Sequence[Any]
    root: Sequence[Any]
    schedule: Schedule
    total_steps: int

    def key(self, step: int) -> str:
        """The key of the state after ``step``."""
        (key,) = segment_keys(self.root, self.schedule, self.total_steps, [step])
        return key

    def origin(self, step: int) -> Sequence[Any]:
        """All that determines the weights of embeddings and blocks after ``step``, JSON-able."""
        return [self.key(step)] if step else self.pretrained
