"""The few searched numbers that, with block scores, give a schedule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from progsearch.errors import ScheduleError
from progsearch.schedule.schedule import Schedule
from progsearch.schedule.scores import by_contribution, checked_scores
from progsearch.schedule.stages import TOLERANCE, Stage

Curve = Literal["parts", "linear", "cubic", "step"]
EmbeddingsPolicy = Literal["always", "first_stage", "never"]
Mode = Literal["prefix", "any_order", "window"]
RatioOf = Literal["blocks", "contribution"]

MAX_STAGES = 6


@dataclass(frozen=True)
class ScheduleSpec:
    """The few searched numbers that, with block scores, give a schedule.

    Attributes:
        n_stages: Number of stages, 1..6.
        stage_growth: Length of a stage over the length of the stage before; 1 is equal lengths.
        whole_epochs: Stage ends are moved to ends of epochs, each stage keeping at least one
            epoch; if a run has fewer epochs than stages, they are not moved.
        initial_freeze: Freeze ratio of the first stage, in [0, 1].
        final_freeze: Freeze ratio of the last stage, in [initial_freeze, 1].
        curve: How the ratio moves between them: ``linear``; ``cubic``, fast at first, as in
            gradual pruning (Zhu and Gupta, arXiv 1710.01878, eq. 1); ``step``, the final ratio
            from the second stage on; or ``parts``, the paper's equal parts, which ignores
            both ratios.
        ratio_of: What a ratio is a share of. ``blocks``: the number of blocks. ``contribution``:
            the summed contribution, so that as many low-contribution blocks are frozen as
            together hold at most that share of it.
        embeddings: ``always`` trained as in the paper, in the ``first_stage`` only, or ``never``.
        mode: ``prefix``: frozen blocks are the lowest ones. ``any_order``: the blocks of least
            contribution, wherever they lie. ``window``: the lowest and the highest ones, so that
            consecutive blocks between them are trained.
        window_at: Where the window lies: the share of the frozen blocks that is below it, in
            [0, 1]. 0 trains the lowest blocks, 0.5 the middle, 1 the highest.
        rotate: Any-order mode only: the choice moves on by one group a stage, so that blocks
            thaw again and every block gets its turn.
        metric: The contribution metric whose scores are used; None if the spec uses no scores.
        rescore: Any-order mode with ratios of blocks only: when a stage begins, the blocks are
            scored again, and the new scores choose which ones it trains.

    Raises:
        ScheduleError: A value is out of range or contradicts another.
    """

    n_stages: int = 3
    stage_growth: float = 1.0
    whole_epochs: bool = False
    initial_freeze: float = 0.0
    final_freeze: float = 2 / 3
    curve: Curve = "parts"
    ratio_of: RatioOf = "blocks"
    embeddings: EmbeddingsPolicy = "always"
    mode: Mode = "prefix"
    window_at: float = 0.5
    rotate: bool = False
    metric: str | None = None
    rescore: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.n_stages <= MAX_STAGES:
            raise ScheduleError(f"n_stages must lie in 1..{MAX_STAGES}, got {self.n_stages}")
        if not 0.1 <= self.stage_growth <= 10:
            raise ScheduleError(f"stage_growth must lie in 0.1..10, got {self.stage_growth}")
        if not 0 <= self.initial_freeze <= 1:
            raise ScheduleError(f"initial_freeze must lie in 0..1, got {self.initial_freeze}")
        if not self.initial_freeze <= self.final_freeze <= 1:
            raise ScheduleError(
                f"final_freeze must lie in {self.initial_freeze:g} (initial_freeze)..1, "
                f"got {self.final_freeze}"
            )
        for name, allowed in (
            ("curve", get_args(Curve)),
            ("ratio_of", get_args(RatioOf)),
            ("embeddings", get_args(EmbeddingsPolicy)),
            ("mode", get_args(Mode)),
        ):
            if getattr(self, name) not in allowed:
                raise ScheduleError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        if not 0 <= self.window_at <= 1:
            raise ScheduleError(f"window_at must lie in 0..1, got {self.window_at}")
        if self.mode == "window" and self.ratio_of != "blocks":
            raise ScheduleError(
                "mode window needs ratio_of blocks: a window is chosen by its place"
            )
        if self.rotate and self.mode != "any_order":
            raise ScheduleError("rotate needs mode any_order: a prefix cannot rotate")
        if self.rescore and (self.mode != "any_order" or self.ratio_of != "blocks"):
            raise ScheduleError(
                "rescore needs mode any_order and ratio_of blocks: new scores may say which "
                "blocks a stage trains, but not how many, since costs are known before training"
            )
        if self.rescore and self.rotate:
            raise ScheduleError(
                "rescore and rotate contradict each other: one chooses blocks by contribution, "
                "the other in turn"
            )
        if self.uses_scores and self.metric is None:
            raise ScheduleError(
                "metric must be set: mode any_order and ratio_of contribution need block scores"
            )

    @property
    def uses_scores(self) -> bool:
        """Whether the schedule depends on contribution scores."""
        return self.mode == "any_order" or (
            self.ratio_of == "contribution" and self.curve != "parts"
        )

    def ratios(self) -> list[float]:
        """The freeze ratio of each stage (not used by the curve ``parts``)."""
        low, high, last = self.initial_freeze, self.final_freeze, self.n_stages - 1
        if last == 0:
            return [low]
        match self.curve:
            case "cubic":
                shape = [1 - (1 - t / last) ** 3 for t in range(last + 1)]
            case "step":
                shape = [0.0] + [1.0] * last
            case _:
                shape = [t / last for t in range(last + 1)]
        return [low + (high - low) * x for x in shape]

    def schedule(
        self, n_blocks: int, scores: Sequence[float] | None = None, epochs: int | None = None
    ) -> Schedule:
        """The schedule for a model of ``n_blocks`` blocks.

        Args:
            n_blocks: Number of Transformer blocks.
            scores: One contribution per block, higher means more worth training; needed if
                `uses_scores`.
            epochs: Epochs of the run; needed with ``whole_epochs``.

        Raises:
            ScheduleError: Scores are needed and missing, not finite or of another length, or
                the curve ``parts`` has more stages than there are blocks.
        """
        scores = checked_scores(scores, n_blocks) if self.uses_scores else [1.0] * n_blocks
        order = by_contribution(scores) if self.mode == "any_order" else list(range(n_blocks))
        counts = self._frozen_counts(n_blocks, [scores[block] for block in order])
        stages = []
        for t, (start, end) in enumerate(self._bounds(epochs)):
            shift = self._shift(t, counts[t], n_blocks)
            frozen = {order[(i - shift) % n_blocks] for i in range(counts[t])}
            stages.append(
                Stage(
                    start=start,
                    end=end,
                    trainable_blocks=tuple(b for b in range(n_blocks) if b not in frozen),
                    embeddings=self.embeddings == "always"
                    or (self.embeddings == "first_stage" and t == 0),
                )
            )
        return Schedule(n_blocks, tuple(stages))

    def _shift(self, stage: int, frozen: int, n_blocks: int) -> int:
        """How far the choice of blocks moves in a stage: places in their order, as in a ring."""
        if self.mode == "window":
            # As many of the frozen blocks as lie above the window are taken from the other end.
            return frozen - math.floor(self.window_at * frozen + 0.5)
        return stage * max(1, n_blocks - frozen) if self.rotate else 0

    def _bounds(self, epochs: int | None) -> list[tuple[float, float]]:
        lengths = [self.stage_growth**t for t in range(self.n_stages)]
        total = sum(lengths)
        ends = [sum(lengths[: t + 1]) / total for t in range(self.n_stages - 1)]
        if self.whole_epochs:
            if epochs is None:
                raise ScheduleError("epochs must be given: the spec asks for whole_epochs")
            ends = _at_epochs(ends, epochs)
        ends.append(1.0)
        return list(zip([0.0, *ends[:-1]], ends, strict=True))

    def _frozen_counts(self, n_blocks: int, scores_in_order: Sequence[float]) -> list[int]:
        """How many blocks, in the order they are frozen, each stage freezes."""
        if self.curve == "parts":
            if self.n_stages > n_blocks:
                raise ScheduleError(
                    f"n_stages must be at most {n_blocks} (blocks) with curve parts, "
                    f"got {self.n_stages}"
                )
            return [t * (n_blocks // self.n_stages) for t in range(self.n_stages)]
        if self.ratio_of == "blocks":
            return [math.floor(ratio * n_blocks + TOLERANCE) for ratio in self.ratios()]
        # A share needs non-negative scores: those of least contribution count as nothing.
        lowest = min(0.0, *scores_in_order)
        cumulative = list(itertools.accumulate(score - lowest for score in scores_in_order))
        total = cumulative[-1]
        if total <= 0:
            cumulative, total = list(range(1, n_blocks + 1)), n_blocks
        return [
            sum(mass <= ratio * total * (1 + TOLERANCE) for mass in cumulative) if ratio > 0 else 0
            for ratio in self.ratios()
        ]


def _at_epochs(ends: Sequence[float], epochs: int) -> list[float]:
    """Inner stage ends moved to ends of epochs, such that every stage keeps at least one."""
    if epochs <= len(ends):
        return list(ends)
    moved: list[int] = []
    for index, end in enumerate(ends):
        earliest = moved[-1] + 1 if moved else 1
        latest = epochs - (len(ends) - index)
        moved.append(max(earliest, min(latest, round(end * epochs))))
    return [epoch / epochs for epoch in moved]
