"""Damaged files of the cache: what was measured, or nothing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from progsearch.cache import keep_json, kept_json
from tests.fuzz.mutations import damaged_bytes
from tests.fuzz.running import Fault, fault_of
from tests.fuzz.world import World

_MEASURED = {"limit": 512, "remark": None, "head": {"parameters": 1.5e6, "is_tied": False}}


def inputs(world: World) -> st.SearchStrategy[bytes]:
    """Contents of a cached measurement."""
    file = world.folder / "kept.json"
    keep_json(file, _MEASURED)
    return damaged_bytes(file.read_bytes())


def fault(world: World, content: bytes) -> Fault | None:
    """An error, or another measurement than the one that was kept."""
    file = world.folder / "kept.json"
    file.write_bytes(content)

    def check() -> None:
        found: Any = kept_json(file)
        assert found is None or json.dumps(found) == json.dumps(_MEASURED), "another measurement"

    return fault_of(check)
