"""Damaged files of changes that wait for a database."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import Any

import optuna
from hypothesis import strategies as st
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from progsearch.study.outbox import Change, Outbox
from tests.fuzz.mutations import damaged_bytes, damaged_trees
from tests.fuzz.running import Fault, fault_of
from tests.fuzz.world import World


def _lines(world: World) -> list[Any]:
    trials = world.study.study.get_trials()
    changes = [
        Change("study user", -1, "a", {"b": [1, 2.5]}),
        *(Change.adding(number, trials[number]) for number in (0, 1)),
        Change("user", 0, "c", "d"),
        Change.ending(1, TrialState.COMPLETE, [0.5, 0.5]),
    ]
    return [json.loads(json.dumps(astuple(change))) for change in changes]


def inputs(world: World) -> st.SearchStrategy[bytes]:
    """Contents of an outbox."""
    lines = _lines(world)

    file = world.folder / "outbox.log"
    file.unlink(missing_ok=True)
    outbox = Outbox(file)
    for line in lines:
        outbox.put(Change(*line))
    whole = file.read_bytes()
    file.unlink()

    def written(found: Any) -> bytes:
        rows = found if isinstance(found, list) else [found]
        return "".join(json.dumps(row, default=str) + "\n" for row in rows).encode()

    return st.one_of(
        damaged_trees(lines).map(written), damaged_bytes(whole), damaged_bytes(written(lines))
    )


def fault(world: World, content: bytes) -> Fault | None:
    """An error other than that the file is damaged."""
    (world.folder / "outbox.log").write_bytes(content)
    return fault_of(lambda: _tell(world))


def _tell(world: World) -> None:
    outbox = Outbox(world.folder / "outbox.log")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = InMemoryStorage()
    study_id = storage.create_new_study([StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE])
    while (change := outbox.first()) is not None:
        change.apply(storage, study_id)
        outbox.done()
