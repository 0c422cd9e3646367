"""Damaged files of a study besides its journal."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.mutations import damaged_bytes, damaged_trees
from tests.fuzz.running import Fault, command_fault
from tests.fuzz.world import STUDY, World

_RUN = {
    "trial": 1,
    "seed": 1,
    "metrics": {"accuracy": 0.8, "f1": 0.8},
    "timings": {"build": 1.0, "train": 5.0, "evaluate": 1.0, "saved": 0.0},
    "steps_trained": 10,
    "peak_memory": 1000,
    "constant": False,
}
_CONFIRMED = {
    "margin": 0.01,
    "runs": [_RUN | {"trial": trial, "seed": seed} for trial in (0, 1) for seed in (1, 2)],
}
_HOLDER = {"work": "search", "host": "a", "process": 5, "since": "2026-11-23T18:00:00+00:00"}


def _json_of(tree: Any) -> bytes:
    return json.dumps(tree, default=str).encode()


def inputs(world: World) -> st.SearchStrategy[tuple[str, bytes]]:
    """The name of a file and its content."""
    recipe = world.kept[world.study.path / "study.yaml"]
    files = {"confirm.json": _CONFIRMED, ".lock": _HOLDER}
    damaged = [
        st.tuples(st.just(name), st.one_of(damaged_trees(tree).map(_json_of), changed))
        for name, tree in files.items()
        for changed in (damaged_bytes(_json_of(tree)),)
    ]
    return st.one_of(st.tuples(st.just("study.yaml"), damaged_bytes(recipe)), *damaged)


def fault(world: World, content: tuple[str, bytes]) -> Fault | None:
    """An error of the commands that read it."""
    world.restore()
    name, data = content
    file = world.study.path / name
    file.write_bytes(data)
    try:
        fault = command_fault("status", STUDY, "--json") or command_fault("report", STUDY)
        return fault or command_fault("ls", "studies")
    finally:
        file.unlink()
