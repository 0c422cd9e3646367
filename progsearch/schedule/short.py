"""A schedule in a few characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from progsearch.schedule.stages import ranges


def in_short(stages: Sequence[Mapping[str, Any]], n_blocks: int) -> str:
    """What each stage trains, such as ``full > 3-5 > head``, without the times.

    Blocks are named by their numbers; ``emb`` are the embeddings, ``full`` is all there is. The
    head is only named if it is trained alone, or frozen.

    Args:
        stages: As returned by `Schedule.to_dicts`.
        n_blocks: Number of blocks of the model.
    """
    return " > ".join(text for text, _ in groupby(_stage(stage, n_blocks) for stage in stages))


def _stage(stage: Mapping[str, Any], n_blocks: int) -> str:
    blocks = list(stage["trainable_blocks"])
    if stage["embeddings"] and stage["head"] and len(blocks) == n_blocks:
        return "full"
    parts = [*(["emb"] if stage["embeddings"] else []), *([_typed(blocks)] if blocks else [])]
    text = "+".join(parts) or ("head" if stage["head"] else "none")
    return text if stage["head"] or not parts else f"{text} without head"


def _typed(blocks: Sequence[int]) -> str:
    """Blocks in signs that are on a keyboard, as people filter by them: ``0-2,5``."""
    return ranges(blocks).replace("\N{EN DASH}", "-").replace(", ", ",")
