"""Progressive fine-tuning schedules as data: what is trained when.

A model is embeddings, ``n_blocks`` Transformer blocks (block 0 next to the embeddings) and a head.
A schedule cuts a training run into stages; a stage says which of these parts are trained.
Pure data and arithmetic: nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from progsearch.errors import ScheduleError

Curve = Literal["parts", "linear", "cubic", "step"]
EmbeddingsPolicy = Literal["always", "first_stage", "never"]
Mode = Literal["prefix", "any_order"]
RatioOf = Literal["blocks", "contribution"]

MAX_STAGES = 6
# Fractions of the training come from arithmetic on floats and from files with rounded digits.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Stage:
    """A span of training in which the set of trainable parts does not change.

    Attributes:
        start: Where the stage begins, as a fraction of all optimizer steps, in [0, 1).
        end: Where it ends, in (start, 1].
        trainable_blocks: Indices of the blocks that are trained, ascending.
        embeddings: Whether the embeddings are trained.
        head: Whether the head is trained.
    """

    start: float
    end: float
    trainable_blocks: tuple[int, ...]
    embeddings: bool
    head: bool = True

    @property
    def trains(self) -> tuple[tuple[int, ...], bool, bool]:
        """What is trained, without when."""
        return (self.trainable_blocks, self.embeddings, self.head)

    def frozen_prefix(self, n_blocks: int) -> int:
        """How many of a model's blocks, from the first on, are frozen with the embeddings."""
        if self.embeddings:
            return 0
        return self.trainable_blocks[0] if self.trainable_blocks else n_blocks


@dataclass(frozen=True)
class Schedule:
    """The ordered stages of a run.

    Attributes:
        n_blocks: Number of Transformer blocks of the models this schedule fits.
        stages: The stages; together they cover [0, 1] without gaps.

    Raises:
        ScheduleError: The stages do not cover the training, or name blocks that do not exist.

    Example:
        >>> Schedule.progtuning(n_blocks=12, n_stages=3).stages[1].trainable_blocks
        (4, 5, 6, 7, 8, 9, 10, 11)
    """

    n_blocks: int
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if self.n_blocks < 1:
            raise ScheduleError(f"a schedule needs at least 1 block, got n_blocks={self.n_blocks}")
        if not self.stages:
            raise ScheduleError("a schedule needs at least one stage")
        position = 0.0
        for index, stage in enumerate(self.stages):
            self._check_stage(index, stage, position)
            position = stage.end
        if abs(position - 1.0) > _TOLERANCE:
            raise ScheduleError(f"stages.{len(self.stages) - 1}.end must be 1, got {position:g}")

    def _check_stage(self, index: int, stage: Stage, position: float) -> None:
        where = f"stages.{index}"
        if not abs(stage.start - position) <= _TOLERANCE:
            raise ScheduleError(
                f"{where}.start must be {position:g}, where the stage before ends, "
                f"got {stage.start:g}"
            )
        if not stage.start < stage.end:
            raise ScheduleError(f"{where}.end must be greater than its start {stage.start:g}")
        blocks = stage.trainable_blocks
        if list(blocks) != sorted(set(blocks)):
            raise ScheduleError(f"{where}.trainable_blocks must ascend without repeats")
        if blocks and not (0 <= blocks[0] and blocks[-1] < self.n_blocks):
            raise ScheduleError(
                f"{where}.trainable_blocks must lie in 0..{self.n_blocks - 1}, got {list(blocks)}"
            )
        if not (blocks or stage.embeddings or stage.head):
            raise ScheduleError(f"{where} trains nothing; name blocks, embeddings or head")

    # -- the schedules everyone compares with ------------------------------------------------

    @classmethod
    def full(cls, n_blocks: int) -> Schedule:
        """Full fine-tuning: one stage that trains everything."""
        return cls(n_blocks, (Stage(0.0, 1.0, tuple(range(n_blocks)), embeddings=True),))

    @classmethod
    def progtuning(cls, n_blocks: int, n_stages: int) -> Schedule:
        """The paper's schedule (arXiv 2506.21119, section 3).

        The blocks are cut into ``n_stages`` parts of ``floor(n_blocks / n_stages)`` consecutive
        blocks, the remainder going to the last part; stage t trains the embeddings, the parts
        t..n_stages and the head. All stages have the same length.

        Raises:
            ScheduleError: ``n_stages`` is not in 1..n_blocks.
        """
        if not 1 <= n_stages <= n_blocks:
            raise ScheduleError(f"n_stages must lie in 1..{n_blocks} (blocks), got {n_stages}")
        part = n_blocks // n_stages
        return cls(
            n_blocks,
            tuple(
                Stage(t / n_stages, (t + 1) / n_stages, tuple(range(t * part, n_blocks)), True)
                for t in range(n_stages)
            ),
        )

    @classmethod
    def last_blocks(cls, n_blocks: int, n_trained: int) -> Schedule:
        """Train the last ``n_trained`` blocks and the head throughout; 0 is head-only."""
        blocks = tuple(range(n_blocks - n_trained, n_blocks))
        return cls(n_blocks, (Stage(0.0, 1.0, blocks, embeddings=False),))

    # -- what an engine asks -----------------------------------------------------------------

    def spans(self, total_steps: int) -> list[tuple[int, int, Stage]]:
        """The stages as ``(first step, end step, stage)`` of a run of ``total_steps``.

        Ends are rounded to whole steps; a stage that is left with no step is dropped.
        """
        spans = []
        first = 0
        for stage in self.stages:
            end = total_steps if stage is self.stages[-1] else round(stage.end * total_steps)
            if end > first:
                spans.append((first, end, stage))
            first = max(first, end)
        return spans

    def stage_at(self, step: int, total_steps: int) -> Stage:
        """The stage that optimizer step ``step`` (counted from 0) belongs to."""
        return next(stage for first, end, stage in self.spans(total_steps) if step < end)

    @property
    def is_monotone(self) -> bool:
        """Whether a part, once frozen, stays frozen."""
        return all(
            set(later.trainable_blocks) <= set(earlier.trainable_blocks)
            and later.embeddings <= earlier.embeddings
            and later.head <= earlier.head
            for earlier, later in itertools.pairwise(self.stages)
        )

    def stages_to_rescore(self, total_steps: int) -> dict[int, Stage]:
        """The stages whose blocks new scores may change, by the step they begin at.

        Not the first one, and none that trains all blocks or no block.
        """
        return {
            first: stage
            for first, _, stage in self.spans(total_steps)
            if first > 0 and 0 < len(stage.trainable_blocks) < self.n_blocks
        }

    def rescored(self, stage: Stage, scores: Sequence[float]) -> Schedule:
        """The same schedule with the blocks of ``stage`` chosen by ``scores``.

        As many blocks as before are trained: those of the highest scores.

        Args:
            stage: One of the stages.
            scores: One contribution per block, higher means more worth training.

        Raises:
            ScheduleError: Scores are not finite or not one per block.
        """
        order = _by_contribution(_checked_scores(scores, self.n_blocks))
        blocks = sorted(order[self.n_blocks - len(stage.trainable_blocks) :])
        chosen = replace(stage, trainable_blocks=tuple(blocks))
        return replace(self, stages=tuple(chosen if s is stage else s for s in self.stages))

    # -- identity and files ------------------------------------------------------------------

    def canonical(self) -> Schedule:
        """The same training with the fewest stages: equal neighbours are merged."""
        merged: list[Stage] = []
        for stage in self.stages:
            if merged and merged[-1].trains == stage.trains:
                merged[-1] = replace(merged[-1], end=stage.end)
            else:
                merged.append(stage)
        return Schedule(self.n_blocks, tuple(merged))

    def key(self) -> str:
        """A short hash, equal for schedules that train the same parts at the same times."""
        stages = [(round(s.end, 5), *s.trains) for s in self.canonical().stages]
        text = json.dumps([self.n_blocks, stages])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dicts(self) -> list[dict[str, Any]]:
        """The stages as they stand in a config file."""
        return [{**asdict(s), "trainable_blocks": list(s.trainable_blocks)} for s in self.stages]

    @classmethod
    def from_dicts(cls, stages: Iterable[Mapping[str, Any]], n_blocks: int) -> Schedule:
        """The inverse of `to_dicts`.

        Raises:
            ScheduleError: The stages do not form a schedule of ``n_blocks`` blocks.
        """
        return cls(
            n_blocks,
            tuple(
                Stage(
                    start=float(s["start"]),
                    end=float(s["end"]),
                    trainable_blocks=tuple(s["trainable_blocks"]),
                    embeddings=bool(s["embeddings"]),
                    head=bool(s.get("head", True)),
                )
                for s in stages
            ),
        )

    @classmethod
    def from_file(cls, path: str | Path, n_blocks: int | None = None) -> Schedule:
        """The schedule of a config that ``progsearch export`` wrote.

        Args:
            path: The YAML file.
            n_blocks: Blocks of the model; by default what the file's ``costs`` say.

        Raises:
            ConfigError: The file is no such config.
            ScheduleError: Its stages do not form a schedule.
        """
        from progsearch.export import read_config

        config = read_config(path)
        if n_blocks is None:
            n_blocks = (config.costs or {}).get("n_blocks")
        if n_blocks is None:
            n_blocks = 1 + max((b for s in config.stages for b in s.trainable_blocks), default=0)
        return cls.from_dicts([stage.model_dump() for stage in config.stages], n_blocks)


@dataclass(frozen=True)
class ScheduleSpec:
    """The few searched numbers that, with block scores, give a schedule.

    Attributes:
        n_stages: Number of stages, 1..6.
        stage_growth: Length of a stage over the length of the stage before; 1 is equal lengths.
        whole_epochs: Stage ends are moved to ends of epochs, each stage keeping at least one
            epoch; where a run has fewer epochs than stages, they stay where they are.
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
            contribution, wherever they lie.
        rotate: Any-order mode only: the choice moves on by one group a stage, so that blocks
            thaw again and every block gets its turn.
        metric: The contribution metric whose scores are used; None where the spec uses none.
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
            scores: One contribution per block, higher means more worth training; needed where
                `uses_scores`.
            epochs: Epochs of the run; needed with ``whole_epochs``.

        Raises:
            ScheduleError: Scores are needed and missing, not finite or of another length, or
                the curve ``parts`` has more stages than there are blocks.
        """
        if self.uses_scores:
            scores = _checked_scores(scores, n_blocks)
        else:
            scores = [1.0] * n_blocks
        order = _by_contribution(scores) if self.mode == "any_order" else list(range(n_blocks))
        counts = self._frozen_counts(n_blocks, [scores[block] for block in order])
        stages = []
        for t, (start, end) in enumerate(self._bounds(epochs)):
            shift = t * max(1, n_blocks - counts[t]) if self.rotate else 0
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
            return [math.floor(ratio * n_blocks + _TOLERANCE) for ratio in self.ratios()]
        # A share needs non-negative scores: those of least contribution count as nothing.
        lowest = min(0.0, *scores_in_order)
        cumulative = list(itertools.accumulate(score - lowest for score in scores_in_order))
        total = cumulative[-1]
        if total <= 0:
            cumulative, total = list(range(1, n_blocks + 1)), n_blocks
        return [
            sum(mass <= ratio * total * (1 + _TOLERANCE) for mass in cumulative)
            if ratio > 0
            else 0
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


def _by_contribution(scores: Sequence[float]) -> list[int]:
    """The blocks in the order in which they are frozen: of equal scores the lower one first."""
    return sorted(range(len(scores)), key=lambda block: scores[block])


def _checked_scores(scores: Sequence[float] | None, n_blocks: int) -> Sequence[float]:
    if scores is None:
        raise ScheduleError("this spec needs block scores; give one contribution per block")
    if len(scores) != n_blocks:
        raise ScheduleError(f"{len(scores)} block scores do not fit {n_blocks} blocks")
    if not all(math.isfinite(score) for score in scores):
        raise ScheduleError("block scores must be finite numbers")
    return scores
