"""The keys of the stored steps of a run, and which of those it uses."""

from __future__ import annotations

from typing import Any

import torch

from progsearch.config import FrozenDtype, Precision, RunConfig, training_under
from progsearch.engine.four_bits import library_version
from progsearch.engine.frozen_weights import rounds
from progsearch.engine.precision import arithmetic
from progsearch.models.loading import model_fingerprint
from progsearch.schedule.plan import Lineage, SegmentPlan
from progsearch.store import Store
from progsearch.tasks import TaskData
from progsearch.training.segments import ENVIRONMENT, stored_steps

# The usual numbers of GPUs that train a run together: stored steps of others are not looked for.
_RANKS = (1, 2, 4, 8)


class Lineages:
    """The lineages that a run may have: one per number of threads, and of processes at its start.

    Either changes only the last digits, but for random numbers of dropout. So each has stored
    steps of its own, and a run uses those with which it ends first.

    Args:
        config: The complete config of the run.
        task: Its data.
        plan: Its schedule, cut into segments.
        device: The device that it trains on.
        precision: The resolved precision.
        ranks: The number of processes that train it together.
    """

    def __init__(
        self,
        config: RunConfig,
        task: TaskData,
        plan: SegmentPlan,
        device: torch.device,
        precision: Precision,
        *,
        ranks: int,
    ) -> None:
        self._plan = plan
        self._ranks = ranks
        frozen = training_under(config.method, config.training).frozen_dtype
        self._start = ENVIRONMENT, model_fingerprint(config.model), config.method.identity
        self._rounding = _rounding(frozen, precision)
        training = config.training.decisive() | {"precision": precision}
        training.pop("frozen_dtype", None)
        if "optimizer" in training:
            training["library"] = library_version()
        hardware = arithmetic(device)
        # The same for every seed: a method does not change what the pre-trained model computes.
        self._of_pretrained = precision, hardware
        self._of_training = task.fingerprint, training, hardware

    def of(self, threads: int, others: tuple[int, int] | None = None) -> Lineage:
        """The lineage of a run with so many threads.

        Args:
            threads: Of each process.
            others: See `Lineage.others`.
        """
        # The number of threads decides how sums are rounded.
        start: tuple[Any, ...] = (*self._start, threads, *self._rounding)
        return Lineage(
            pretrained=(*start, *self._of_pretrained),
            root=(*start, *self._of_training),
            plan=self._plan,
            ranks=self._ranks,
            others=others,
        )

    def best(self, threads: int, store: Store | None) -> Lineage:
        """The lineage of which the store has most steps; in doubt, that of the run's own."""
        found = [self.of(threads)]
        for ranks in _RANKS:
            known = stored_steps(store, self.of(threads, others=(self._plan.total_steps, ranks)))
            if known and ranks != self._ranks:
                found.append(self.of(threads, others=(known, ranks)))
        return max(found, key=lambda lineage: stored_steps(store, lineage))

    def best_threads(self, most: int, store: Store | None) -> int:
        """The threads with which a run ends first, given the steps that the store has.

        Those of a search were made with one thread. At best, n threads are n times as fast.
        """

        def left(threads: int) -> float:
            known = stored_steps(store, self.best(threads, store))
            return (self._plan.total_steps - known) / threads

        return min((1, most), key=left)


def _rounding(choice: FrozenDtype, precision: Precision) -> list[str]:
    """What decides the numbers that frozen weights are rounded to, if they are."""
    if not rounds(choice, precision):
        return []
    library = [library_version()] if choice == "nf4" else []
    return [f"frozen weights in {choice}", *library]
