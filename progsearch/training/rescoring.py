"""Blocks chosen on the way: a stage trains those that contribute most when it begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from progsearch.cache import content_key
from progsearch.contribution.scores import model_scores, scoring
from progsearch.models.anatomy import Anatomy
from progsearch.store import Store
from progsearch.tasks import Split
from progsearch.version import RESCORING_VERSION


class Rescoring:
    """Scores the blocks of one run's model at the ends of its stages.

    Where all blocks are in training, metrics that go by gradients alone take those that training
    had last. A frozen block has none, so other scores take a pass of their own.

    Scores follow from the model's state alone, so they are stored beside the segment that ends
    there: a run that has reused its steps so far takes them from the store as well.

    Args:
        metric: What blocks are scored by.
        model: The model, in training.
        anatomy: Its parts.
        split: The training data.
        seed: The run's.
        recent_gradients: Gives what training has of the gradients of some parameters.
        store: Where scores are kept for other runs.

    Attributes:
        scores: Those found so far.
        seconds: What finding them took, those that were stored included.
        saved: The part of it that the store saved.

    Raises:
        MetricError: There is no such metric.
    """

    def __init__(
        self,
        metric: str,
        model: nn.Module,
        anatomy: Anatomy,
        split: Split,
        seed: int,
        recent_gradients: Callable[[Sequence[nn.Parameter]], list[Tensor] | None],
        store: Store | None,
    ) -> None:
        self.scores: list[tuple[float, ...]] = []
        self.seconds = 0.0
        self.saved = 0.0
        self._metric = metric
        self._model = model
        self._anatomy = anatomy
        self._split = split
        self._seed = seed
        self._recent_gradients = recent_gradients
        self._store = store
        self._scoring = scoring(metric)

    def stored(self, segment: str) -> bool:
        """Whether the scores at the end of ``segment`` could be taken from the store."""
        known = self._store.get(self._key(segment)) if self._store else None
        if known is None:
            return False
        self.scores.append(tuple(known["scores"]))
        self.seconds += known["seconds"]
        self.saved += known["seconds"]
        return True

    def score(self, segment: str) -> None:
        """Score the model, which is in the state that ``segment`` ends with."""
        started = time.perf_counter()
        scores = model_scores(
            self._model,
            self._anatomy,
            self._split,
            self._metric,
            seed=self._seed,
            gradients=self._gradients(),
        )
        seconds = time.perf_counter() - started
        self.scores.append(scores)
        self.seconds += seconds
        if self._store:
            self._store.put(self._key(segment), {"scores": scores, "seconds": seconds})

    def _gradients(self) -> list[list[Tensor]] | None:
        found = []
        for block in range(self._anatomy.n_blocks):
            named = self._anatomy.parameters(self._model, block)
            gradients = self._recent_gradients([parameter for _, parameter in named])
            if gradients is None:
                return None
            found.append(gradients)
        return found

    def _key(self, segment: str) -> str:
        return content_key("scores", RESCORING_VERSION, segment, self._scoring)
