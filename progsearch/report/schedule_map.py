"""A schedule as a map of stages and parts, in plain text."""

from __future__ import annotations

from progsearch.schedule import Schedule
from progsearch.schedule.stages import Stage, ranges

# Characters of the whole training, and of the shortest stage.
_WIDTH = 30
_SHORTEST = 2


def schedule_map(schedule: Schedule) -> str:
    """One line per part, the head on top and the embeddings at the bottom, then the stages.

    ``#`` is trained and ``.`` is frozen. Neighbouring blocks that are always trained together
    share a line.

    Example:
        >>> print(schedule_map(Schedule.progtuning(n_blocks=4, n_stages=2)))
        head        ############### ###############
        blocks 2–3  ############### ###############
        blocks 0–1  ############### ...............
        embeddings  ############### ###############
        <BLANKLINE>
        stage 1, 0 to 50 %: trains the embeddings, blocks 0–3 and the head
        stage 2, 50 to 100 %: trains the embeddings, blocks 2–3 and the head
    """
    stages = schedule.canonical().stages
    lines = {"head": [stage.head for stage in stages]}
    for blocks in reversed(_together(schedule.n_blocks, stages)):
        name = f"block{'s' if len(blocks) > 1 else ''} {ranges(blocks)}"
        lines[name] = [blocks[0] in stage.trainable_blocks for stage in stages]
    lines["embeddings"] = [stage.embeddings for stage in stages]
    width = max(map(len, lines))
    drawn = [f"{name:{width}}  {_bar(stages, trained)}" for name, trained in lines.items()]
    said = [
        f"stage {number}, {100 * stage.start:.0f} to {100 * stage.end:.0f} %: trains "
        f"{stage.in_words()}"
        for number, stage in enumerate(stages, 1)
    ]
    return "\n".join([*drawn, "", *said])


def _together(n_blocks: int, stages: tuple[Stage, ...]) -> list[list[int]]:
    """The blocks in runs that are trained in the same stages."""
    runs: list[list[int]] = []
    for block in range(n_blocks):
        last = runs[-1][-1] if runs else None
        if last is not None and all(
            (block in stage.trainable_blocks) == (last in stage.trainable_blocks)
            for stage in stages
        ):
            runs[-1].append(block)
        else:
            runs.append([block])
    return runs


def _bar(stages: tuple[Stage, ...], trained: list[bool]) -> str:
    return " ".join(
        ("#" if is_trained else ".") * max(_SHORTEST, round((stage.end - stage.start) * _WIDTH))
        for stage, is_trained in zip(stages, trained, strict=True)
    )
