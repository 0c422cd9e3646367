"""The disk that the reusable work of a search is expected to take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from progsearch.strategy.candidates import Candidate
from progsearch.strategy.problem import Problem

# A parameter in fp32: within a run with the two moments of Adam, at its end alone.
_WITHIN, _AT_END = 12, 4
# See `engine/shortcuts/frozen_prefix.py`: larger states of later freezes are not stored.
_LARGEST_STATES = 12


@dataclass(frozen=True)
class Sizes:
    """What decides how large stored work is, beside schedules.

    Attributes:
        idle: Parameters of the token embedding whose tokens do not occur; they are not stored.
        states: Bytes of the outputs of one block for all examples.
    """

    idle: int
    states: int


def run_bytes(run: Candidate, problem: Problem, sizes: Sizes) -> float:
    """Bytes that one run stores: its weights, Adam's moments, and outputs of what froze in it."""
    cost = problem.costs[run.run.method.cost_key]
    steps, first, total, depth = run.segments[-1][0], 0, 0.0, None
    for end, _ in run.segments:
        stage = run.schedule.stage_at(first, steps)
        whole = stage.embeddings and cost.embeddings.trainable == cost.embeddings.parameters
        trained = cost.updated_in(stage) - (sizes.idle if whole else 0)
        total += max(0, trained) * (_AT_END if end == steps else _WITHIN)
        frozen = stage.frozen_prefix(problem.n_blocks)
        froze = depth is not None and frozen > depth
        if froze and sizes.states <= _LARGEST_STATES * problem.parameters:
            total += sizes.states
        first, depth = end, frozen
    return total


def shared_bytes(runs: Iterable[Candidate], problem: Problem, sizes: Sizes) -> int:
    """Bytes of the outputs of blocks that are frozen from the start, which all runs share."""
    depths = {run.schedule.stages[0].frozen_prefix(problem.n_blocks) for run in runs}
    return len(depths - {0}) * sizes.states
