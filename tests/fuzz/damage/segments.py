"""Damaged entries of the store: never other weights than those that were stored."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from progsearch.training.segments import get_segment, load_chain
from tests.fuzz.mutations import damaged_bytes
from tests.fuzz.running import Fault, fault_of
from tests.fuzz.world import KEYS, World

Content = dict[str, bytes]


def inputs(world: World) -> st.SearchStrategy[Content]:
    """The files of the store by name; some are damaged, missing or another entry's."""
    files = {path.name: content for path, content in world.stored.items()}

    @st.composite
    def damaged(draw: st.DrawFn) -> Content:
        found = dict(files)
        for name in draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=2)):
            match draw(st.sampled_from(("damage", "damage", "damage", "remove", "other"))):
                case "remove":
                    found.pop(name, None)
                case "other":
                    same = [n for n in files if n.endswith(name.rpartition(".")[2])]
                    found[name] = files[draw(st.sampled_from(sorted(same)))]
                case _:
                    found[name] = draw(damaged_bytes(found.get(name, b"")))
        return found

    return damaged()


def fault(world: World, content: Content) -> Fault | None:
    """An error, or weights and numbers that were not stored under a key."""
    for path in world.store.folder.iterdir():
        path.unlink()
    for name, data in content.items():
        (world.store.folder / name).write_bytes(data)
    return fault_of(lambda: _check(world))


def _check(world: World) -> None:
    for key in KEYS:
        segment = get_segment(world.store, key)
        assert segment in (None, world.segments[key]), "another segment is read"
    names = [name.removeprefix("weight:") for name in world.tensors["second"]]
    chain = load_chain(world.store, "second", names)
    for key, tensors in zip(("second", "first"), chain or [], strict=False):
        _same(tensors, world.tensors[key])
    for key in KEYS:
        loaded: Any = world.store.load(key)
        if loaded is not None:
            _same(loaded, world.tensors[key])


def _same(found: dict[str, torch.Tensor], stored: dict[str, torch.Tensor]) -> None:
    assert found.keys() == stored.keys(), "other tensors are read"
    assert all(torch.equal(found[n], stored[n]) for n in stored), "other weights are read"
