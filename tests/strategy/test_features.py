import numpy as np
import pytest

from progsearch.config import RunConfig, TaskConfig, TrainingConfig, method_of
from progsearch.schedule import Schedule
from progsearch.strategy.features import features


def run(schedule, rate=1e-4, batch=16, method="full"):
    return RunConfig(
        progsearch_version="0",
        model="some-model",
        task=TaskConfig(name="some-task"),
        method=method_of(method),
        training=TrainingConfig(learning_rate=rate, batch_size=batch),
        stages=schedule.to_dicts(),
    )


def distance(a, b, n_blocks=6):
    return float(np.linalg.norm(features(a, n_blocks) - features(b, n_blocks)))


FULL = run(Schedule.full(6))


def test_models_of_other_depth_are_compared_by_relative_depth():
    for made in (Schedule.full, lambda n: Schedule.progtuning(n, 3)):
        assert np.array_equal(features(run(made(6)), 6), features(run(made(12)), 12))
    half = [Schedule.last_blocks(n, n // 2) for n in (6, 12)]
    assert np.array_equal(features(run(half[0]), 6), features(run(half[1]), 12))


def test_runs_that_train_more_alike_are_nearer():
    late, early = run(Schedule.last_blocks(6, 5)), run(Schedule.last_blocks(6, 1))
    assert 0 < distance(late, FULL) < distance(early, FULL)


def test_learning_rate_batch_and_method_matter():
    assert distance(FULL, run(Schedule.full(6), rate=1e-3)) == pytest.approx(1)
    assert distance(FULL, run(Schedule.full(6), batch=32)) > 0
    assert distance(FULL, run(Schedule.full(6), method="lora")) == pytest.approx(1)
    # Four times the batch at twice the rate makes about the same way.
    assert distance(FULL, run(Schedule.full(6), rate=2e-4, batch=64)) < 1e-12
