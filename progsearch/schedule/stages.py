"""Stages: which parts of a model are trained, and when. Pure data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from progsearch.errors import ScheduleError

# Fractions of the training come from arithmetic on floats and from files with rounded digits.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Stage:
    """A span of training in which the set of trainable parts does not change.

    Attributes:
        start: The beginning, as a fraction of all optimizer steps, in [0, 1).
        end: The end, in (start, 1].
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

    def in_words(self) -> str:
        """What is trained: ``the embeddings, blocks 0–2, 5 and the head``."""
        parts = ["the embeddings"] if self.embeddings else []
        if self.trainable_blocks:
            several = "blocks" if len(self.trainable_blocks) > 1 else "block"
            parts.append(f"{several} {ranges(self.trainable_blocks)}")
        parts += ["the head"] if self.head else []
        return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))

    def frozen_prefix(self, n_blocks: int) -> int:
        """How many of a model's blocks, from the first on, are frozen with the embeddings."""
        if self.embeddings:
            return 0
        return self.trainable_blocks[0] if self.trainable_blocks else n_blocks


def ranges(blocks: Sequence[int]) -> str:
    """``[0, 1, 2, 5]`` as ``0–2, 5``; ``none`` if there are none."""
    runs: list[list[int]] = []
    for block in blocks:
        if runs and block == runs[-1][-1] + 1:
            runs[-1].append(block)
        else:
            runs.append([block])
    return ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in runs) or "none"


def stages_of(data: Iterable[Mapping[str, Any]]) -> tuple[Stage, ...]:
    """The stages that a config file lists."""
    return tuple(
        Stage(
            start=float(s["start"]),
            end=float(s["end"]),
            trainable_blocks=tuple(s["trainable_blocks"]),
            embeddings=bool(s["embeddings"]),
            head=bool(s.get("head", True)),
        )
        for s in data
    )


def check_stages(stages: Sequence[Stage], n_blocks: int) -> None:
    """Check that stages cover a training and fit a model.

    Raises:
        ScheduleError: They do not cover [0, 1], or name blocks that do not exist.
    """
    if not _is_whole(n_blocks):
        raise ScheduleError(f"n_blocks must be a whole number, got {n_blocks!r}")
    if n_blocks < 1:
        raise ScheduleError(f"a schedule needs at least 1 block, got n_blocks={n_blocks}")
    if not isinstance(stages, Sequence) or not all(isinstance(s, Stage) for s in stages):
        raise ScheduleError(f"stages must be a tuple of Stage, got {stages!r}")
    if not stages:
        raise ScheduleError("a schedule needs at least one stage")
    position = 0.0
    for index, stage in enumerate(stages):
        _check_stage(index, stage, position, n_blocks)
        position = stage.end
    if abs(position - 1.0) > TOLERANCE:
        raise ScheduleError(f"stages.{len(stages) - 1}.end must be 1, got {position:g}")


def _check_stage(index: int, stage: Stage, position: float, n_blocks: int) -> None:
    where = f"stages.{index}"
    for name, value in (("start", stage.start), ("end", stage.end)):
        if not isinstance(value, int | float):
            raise ScheduleError(f"{where}.{name} must be a number, got {value!r}")
    blocks = stage.trainable_blocks
    if not isinstance(blocks, Sequence) or not all(map(_is_whole, blocks)):
        raise ScheduleError(
            f"{where}.trainable_blocks must be whole numbers, such as (0, 1), got {blocks!r}"
        )
    if not abs(stage.start - position) <= TOLERANCE:
        raise ScheduleError(
            f"{where}.start must be {position:g}, where the stage before ends, got {stage.start:g}"
        )
    if not stage.start < stage.end:
        raise ScheduleError(f"{where}.end must be greater than its start {stage.start:g}")
    if list(blocks) != sorted(set(blocks)):
        raise ScheduleError(f"{where}.trainable_blocks must ascend without repeats")
    if blocks and not (blocks[0] >= 0 and blocks[-1] < n_blocks):
        raise ScheduleError(
            f"{where}.trainable_blocks must lie in 0..{n_blocks - 1}, got {list(blocks)}"
        )
    if not (blocks or stage.embeddings or stage.head):
        raise ScheduleError(f"{where} trains nothing; name blocks, embeddings or head")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
