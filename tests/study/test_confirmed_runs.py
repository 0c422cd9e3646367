import json

import pytest

from progsearch.errors import ConfigError, StudyError
from progsearch.study.confirmed_runs import (
    ConfirmedRun,
    ConfirmedRuns,
    read_confirmed,
    write_confirmed,
)
from tests.support.fake_runs import confirmed_run


def test_runs_come_back_as_they_were_written(tmp_path):
    assert read_confirmed(tmp_path) is None
    failed = ConfirmedRun(trial=2, seed=1, reason="out of memory")
    kept = ConfirmedRuns(
        margin=0.01, runs=(confirmed_run(0, 1, 0.8, 0.79), confirmed_run(0, 2, 0.81), failed)
    )
    write_confirmed(tmp_path, kept)
    assert read_confirmed(tmp_path) == kept
    assert [path.name for path in tmp_path.iterdir()] == ["confirm.json"]


def test_the_file_is_as_earlier_versions_write_it(tmp_path):
    failed = ConfirmedRun(trial=2, seed=1, reason="out of memory")
    write_confirmed(tmp_path, ConfirmedRuns(margin=0.01, runs=(confirmed_run(0, 1, 0.8), failed)))
    data = json.loads((tmp_path / "confirm.json").read_text())
    first = {
        "trial": 0,
        "seed": 1,
        "metrics": {"accuracy": 0.8, "f1": 0.8 + 0.05},
        "timings": {"setup": 1.0, "train": 91.0, "evaluate": 10.0, "saved": 0.0},
        "steps_trained": 345,
        "peak_memory": 10**9 + 1,
    }
    nothing = {"timings": {}, "steps_trained": 0, "peak_memory": 0}
    second = {"trial": 2, "seed": 1, **nothing, "reason": "out of memory"}
    assert data == {"margin": 0.01, "runs": [first, second]}


def test_a_run_takes_the_place_of_the_one_with_its_trial_and_seed():
    kept = ConfirmedRuns(margin=0.01, runs=(ConfirmedRun(trial=0, seed=2, reason="killed"),))
    kept = (
        kept.having(confirmed_run(0, 1, 0.7))
        .having(confirmed_run(0, 2, 0.8))
        .having(confirmed_run(1, 2, 0.6))
    )
    assert {seed: run.metrics["accuracy"] for seed, run in kept.of(0).items()} == {1: 0.7, 2: 0.8}
    assert list(kept.of(0)) == [1, 2]
    assert kept.of(7) == {}


def test_a_damaged_file_is_no_fresh_start(tmp_path):
    (tmp_path / "confirm.json").write_text('{"margin": 0.01, "runs": [')
    with pytest.raises(StudyError, match=r"confirm.json cannot be read"):
        read_confirmed(tmp_path)
    (tmp_path / "confirm.json").write_text('{"margin": 0.01, "runs": [{"trial": 1}]}')
    with pytest.raises(ConfigError, match=r"runs.0.seed: is missing"):
        read_confirmed(tmp_path)
