"""Formats schedules and numbers for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from progsearch.numerals import counted, duration, percent, size, whole_percent
from progsearch.schedule.stages import ranges


def whole_trials(number: float) -> str:
    """A number of whole trials; may be fractional: ``8`` or ``7.33``."""
    return f"{round(number, 2):g}"


def spent_in_words(spent: float, budget: int) -> str:
    """The spent part of a budget: ``7.33 of 8 whole trials``.

    The last trial may begin shortly before the end of a budget; what it takes more is left out.
    """
    return f"{whole_trials(min(spent, budget))} of {counted(budget, 'whole trial')}"


def in_words(stages: Sequence[Mapping[str, Any]], n_blocks: int) -> str:
    """A schedule as one short line, such as ``blocks 0–5 → 2–5 at 33 % · embeddings always``.

    Args:
        stages: As returned by `Schedule.to_dicts`.
        n_blocks: Number of blocks of the model.
    """
    every = list(range(n_blocks))
    if all(list(s["trainable_blocks"]) == every and s["embeddings"] and s["head"] for s in stages):
        return "everything, always"
    blocks = _over_time(stages, [ranges(s["trainable_blocks"]) for s in stages])
    if blocks == "none":
        blocks = "no blocks"
    else:
        blocks = f"block {blocks}" if blocks.isdecimal() else f"blocks {blocks}"
    parts = [blocks, "embeddings " + _switch(stages, "embeddings")]
    if not all(stage["head"] for stage in stages):
        parts.append("head " + _switch(stages, "head"))
    return " · ".join(parts)


def _over_time(stages: Sequence[Mapping[str, Any]], what: Sequence[str]) -> str:
    text = what[0]
    for (_, before), (stage, now) in pairwise(zip(stages, what, strict=True)):
        if now != before:
            text += f" → {now} at {whole_percent(stage['start'])}"
    return text


def _switch(stages: Sequence[Mapping[str, Any]], part: str) -> str:
    states = [bool(stage[part]) for stage in stages]
    if all(states):
        return "always"
    if not any(states):
        return "never"
    first_off = states.index(False)
    if states[0] and not any(states[first_off:]):
        return f"until {whole_percent(stages[first_off]['start'])}"
    return _over_time(stages, ["on" if state else "off" for state in states])


def signed(points: float) -> str:
    """A difference in percentage points, with its sign."""
    return f"{points:+.2f} pt".replace("-", "\N{MINUS SIGN}")


def count(number: float) -> str:
    """A large number with a unit prefix: ``328.4M``."""
    for limit, prefix in (
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
    ):
        if number >= limit:
            return f"{number / limit:.1f}{prefix}"
    return f"{number:.0f}"


def value_in_words(objective: str, value: float) -> str:
    """The value of an objective, in a readable unit."""
    match objective:
        case "updated_parameters":
            return percent(value)
        case "flops":
            return count(value)
        case "seconds":
            return duration(value)
        case "peak_memory":
            return size(value)
        case _:
            return f"{value:.4f}"
