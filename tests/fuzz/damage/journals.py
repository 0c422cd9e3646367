"""Damaged journals: a sentence, or the same numbers as before."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from progsearch.study.folder import open_study
from tests.fuzz.mutations import damaged_bytes
from tests.fuzz.running import Fault, command_fault, fault_of
from tests.fuzz.world import STUDY, World

Content = tuple[bytes, bool]


def _journal(world: World) -> bytes:
    return world.kept[world.study.journal]


def _flipped(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


def inputs(world: World) -> st.SearchStrategy[Content]:
    """Journals, and whether one flipped bit is all that is wrong."""
    whole = _journal(world)
    lines = whole.splitlines()
    places = st.integers(0, len(whole) - 1)
    one_bit = st.builds(_flipped, st.just(whole), places, st.integers(0, 7))

    @st.composite
    def other_lines(draw: st.DrawFn) -> bytes:
        found, place = list(lines), draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(("lose", "repeat", "swap"))):
            case "lose":
                del found[place]
            case "repeat":
                found.insert(place, found[place])
            case _:
                other = draw(st.integers(0, len(lines) - 1))
                found[place], found[other] = found[other], found[place]
        return b"\n".join(found) + b"\n"

    return st.one_of(
        st.tuples(one_bit, st.just(True)),
        st.tuples(one_bit, st.just(True)),
        st.tuples(st.one_of(other_lines(), damaged_bytes(whole)), st.just(False)),
    )


def fault(world: World, content: Content) -> Fault | None:
    """An error, or numbers that one flipped bit changed without a word."""
    world.restore()
    journal, is_one_bit = content
    world.study.journal.write_bytes(journal)
    fault = fault_of(lambda: _check(world, is_one_bit=is_one_bit))
    fault = fault or command_fault("status", STUDY) or command_fault("report", STUDY, "--json")
    return fault or command_fault("export", STUDY, "--out", "best.yaml", "--force")


def _numbers(trials: list[Any]) -> str:
    return json.dumps([t.to_dict() for t in trials], sort_keys=True)


def _check(world: World, *, is_one_bit: bool) -> None:
    read = open_study(world.study.path, read_only=True).trials()
    if is_one_bit:
        before = world.study.trials()
        # A damaged last line is one that a killed process left, or it is refused.
        assert _numbers(read) == _numbers(before[: len(read)]), "a flipped bit changed a number"
        assert len(read) >= len(before) - 1, "a flipped bit lost trials"
    open_study(world.study.path).trials()
