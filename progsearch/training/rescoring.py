"""Chooses blocks during training: a stage trains those that contribute most when it begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from progsearch.cache import content_key
from progsearch.config import RunConfig, StageConfig
from progsearch.contribution.scores import model_scores, scoring
from progsearch.models.anatomy import Anatomy
from progsearch.schedule.plan import SegmentPlan
from progsearch.schedule.rescoring import RescoringPlan
from progsearch.store import Store
from progsearch.tasks import Split
from progsearch.training.chain import SegmentChain
from progsearch.version import RESCORING_VERSION

RecentGradients = Callable[[Sequence[nn.Parameter]], list[Tensor] | None]


class PlannedBlocks:
    """Every stage trains the blocks that were planned for it.

    Attributes:
        seconds: Seconds spent on choosing blocks, including those of reused scores.
        saved: The part of these seconds that the store saved.
    """

    seconds: float = 0.0
    saved: float = 0.0

    def choose(self, chain: SegmentChain) -> None:
        """Called after each segment: choose the blocks of a stage that begins there, if any."""

    def trained_config(self, config: RunConfig) -> RunConfig:
        """The config that repeats the run of ``config``."""
        return config


class Rescoring(PlannedBlocks):
    """Scores a run's blocks when a stage begins that chooses its blocks.

    If all blocks are being trained, contribution metrics that need only gradients use the latest
    gradients of the training. A frozen block has no gradient, so otherwise the scores take extra
    passes.

    Scores depend only on the model's state, so they are stored next to the segment that ends
    there. A run that has reused its steps so far reuses the scores too.

    Args:
        plan: The plan of the run: says when to choose blocks, and records the choice.
        metric: The contribution metric that scores the blocks.
        model: The model during training.
        anatomy: Its parts.
        split: The training data.
        seed: The seed of the run.
        recent_gradients: Gives the latest gradients of some parameters, if there are any.
        store: Shares scores with other runs.

    Attributes:
        scores: The scores so far, one tuple per choice.

    Raises:
        MetricError: There is no such contribution metric.
    """

    def __init__(
        self,
        plan: RescoringPlan,
        metric: str,
        model: nn.Module,
        anatomy: Anatomy,
        split: Split,
        *,
        seed: int,
        recent_gradients: RecentGradients,
        store: Store | None,
    ) -> None:
        self.scores: list[tuple[float, ...]] = []
        self._plan = plan
        self._metric = metric
        self._model = model
        self._anatomy = anatomy
        self._split = split
        self._seed = seed
        self._recent_gradients = recent_gradients
        self._store = store
        self._scoring = scoring(metric)

    def choose(self, chain: SegmentChain) -> None:
        """See `PlannedBlocks.choose`.

        Raises:
            TrialFailed: Memory ran out.
        """
        step, key = chain.last.step, chain.key
        if key is None or step not in self._plan.choices:
            return
        if not self._stored(key):
            chain.catch_up()
            chain.release_weights()
            with chain.memory_failures():
                self.score(key)
        self._plan.choose(step, self.scores[-1])

    def trained_config(self, config: RunConfig) -> RunConfig:
        """``config`` with the blocks that were chosen, and the scores they were chosen by."""
        assert config.contribution is not None
        scored = {"rescore": False, "rescored": tuple(self.scores)}
        stages = tuple(StageConfig(**stage) for stage in self._plan.schedule.to_dicts())
        contribution = config.contribution.model_copy(update=scored)
        return config.model_copy(update={"contribution": contribution, "stages": stages})

    def score(self, segment: str) -> None:
        """Score the model, which must be in the state at the end of this segment (by key)."""
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

    def _stored(self, segment: str) -> bool:
        """Take the scores at the end of ``segment`` from the store; returns whether it had any."""
        known = self._store.get(self._key(segment)) if self._store else None
        if known is None:
            return False
        self.scores.append(tuple(known["scores"]))
        self.seconds += known["seconds"]
        self.saved += known["seconds"]
        return True

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


def blocks_of(
    plan: SegmentPlan,
    config: RunConfig,
    model: nn.Module,
    anatomy: Anatomy,
    split: Split,
    *,
    recent_gradients: RecentGradients,
    store: Store | None,
) -> PlannedBlocks:
    """Chooses the blocks of the run of ``config``, as planned or by `Rescoring`.

    Raises:
        MetricError: The contribution metric does not exist.
    """
    if not isinstance(plan, RescoringPlan):
        return PlannedBlocks()
    return Rescoring(
        plan,
        plan.metric,
        model,
        anatomy,
        split,
        seed=config.training.seed,
        recent_gradients=recent_gradients,
        store=store,
    )
