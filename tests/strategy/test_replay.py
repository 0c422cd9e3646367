"""A search that was stopped anywhere and resumed is the search that was not stopped."""

import random

import pytest

from progsearch.strategy.source import Decision, Ended, Stopped
from progsearch.study.folder import open_study
from progsearch.study.progress import interrupt_running
from tests.support.fakes import accuracy_of, finished, progress, source_of, space_of, start

BUDGET = 9


def trials_of(folder):
    """What was trained, and how it ended, without the attempts that were interrupted."""
    return [
        (trial.params, trial.key, trial.state, trial.frozen.values, trial.name)
        for trial in folder.trials()
        if not trial.is_interrupted
    ]


def search(folder, source, stop=lambda: False, reopened=None):
    """Train to the end; ``stop`` says at each event whether the process dies there."""
    while True:
        found = source.next()
        if isinstance(found, Ended):
            return found.ending
        if stop():
            source = reopened()
            continue
        decision = source.report(found, progress(1, accuracy_of(found.run) - 0.1))
        if stop():
            source = reopened()
            continue
        end = Stopped() if decision == Decision.STOP else finished(accuracy_of(found.run))
        source.ended(found, end)
        if stop():
            source = reopened()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        # More than the points that it samples at random first.
        {"sampler": "tpe", "budget": 16},
        {"sampler": "grid"},
        {"scheduler": "dominance", "patience": 5},
    ],
    ids=str,
)
def test_a_search_is_the_same_however_often_it_is_started(tmp_path, changes):
    changes = {"budget": BUDGET, "candidates": None} | changes
    folder, source = start(tmp_path, "progtuning", study="whole", **changes)
    ending = search(folder, source)

    draw = random.Random(0)
    other, source = start(tmp_path, "progtuning", study="parts", **changes)

    def reopened():
        found = open_study("parts", tmp_path)
        interrupt_running(found)
        return source_of(found, space_of(found.recipe))

    assert search(other, source, lambda: draw.random() < 0.15, reopened) == ending
    whole, parts = trials_of(folder), trials_of(open_study("parts", tmp_path))
    assert parts == whole
    assert any(trial.is_interrupted for trial in open_study("parts", tmp_path).trials())
