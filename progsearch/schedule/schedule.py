"""A schedule: the ordered stages of a run, and how an engine reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from progsearch.errors import ScheduleError
from progsearch.schedule.files import blocks_of_model, given_config
from progsearch.schedule.stages import Stage, check_stages, stages_of


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
        check_stages(self.stages, self.n_blocks)

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
        """Train the last ``n_trained`` blocks and the head throughout; 0 is head-only.

        Raises:
            ScheduleError: ``n_trained`` is not in 0..n_blocks.
        """
        if not 0 <= n_trained <= n_blocks:
            raise ScheduleError(f"n_trained must lie in 0..{n_blocks} (blocks), got {n_trained}")
        blocks = tuple(range(n_blocks - n_trained, n_blocks))
        return cls(n_blocks, (Stage(0.0, 1.0, blocks, embeddings=False),))

    @classmethod
    def middle(cls, n_blocks: int) -> Schedule:
        """Train the blocks between 20 and 80 % of the depth and the head throughout.

        In instruction tuning of decoders these contribute most (arXiv 2604.11838).
        """
        blocks = tuple(b for b in range(n_blocks) if 0.2 <= (b + 0.5) / n_blocks <= 0.8)
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
        return cls(n_blocks, stages_of(stages))

    @classmethod
    def from_file(cls, path: str | Path, n_blocks: int | None = None) -> Schedule:
        """The schedule of a config that ``progsearch export`` wrote.

        Args:
            path: The YAML file.
            n_blocks: Blocks of the model; by default what the file's ``costs`` say.

        Raises:
            ConfigError: The file is not such a config.
            ScheduleError: Its stages do not form a schedule.
        """
        config = given_config(path)
        if n_blocks is None:
            n_blocks = blocks_of_model(config.stages, config.costs)
        return cls.from_dicts([stage.model_dump() for stage in config.stages], n_blocks)
