"""What is forgotten is an objective that only the end of a run knows."""

import copy
from statistics import fmean

import numpy as np
import pytest

from progsearch.config import TaskConfig
from progsearch.strategy.forgetting import Forgetting
from progsearch.strategy.source import Decision, Ended, Stopped
from progsearch.study.trial import Trial
from tests.support.fakes import accuracy_of, finished, progress, record, start

TASK = TaskConfig(name="some-task", general_file="general.txt")


def test_with_few_runs_the_least_is_expected_of_others():
    known = Forgetting()
    assert known.least(np.array([0.0])) == 0.0
    known.add(3, np.array([0.0]), 0.5)
    known.add(3, np.array([0.0]), 0.3)
    known.add(4, np.array([1.0]), 0.6)
    assert known.least(np.array([2.0])) == 0.3
    assert known.of(3) == pytest.approx(0.4)
    assert known.of(5) is None


def test_later_it_is_what_similar_runs_forgot_less_the_doubt():
    known = Forgetting()
    for number in range(8):
        known.add(number, np.array([number / 8, -4.0]), number / 8)
    assert known.least(np.array([0.25, -4.0])) == pytest.approx(0.25, abs=0.1)
    assert known.least(np.array([0.75, -4.0])) == pytest.approx(0.75, abs=0.1)
    # Far from all that is known, anything may be.
    assert known.least(np.array([9.0, -4.0])) < 0.3


def forgotten(run):
    """More with more blocks, and by the learning rate."""
    blocks = 0.1 * len(run.stages[0].trainable_blocks)
    return blocks + 500 * run.training.learning_rate + 0.01 * run.training.seed


# Fits processes after each of many measurements.
FREEZE_THAW = pytest.param("freeze-thaw", marks=pytest.mark.slow)


@pytest.mark.parametrize("scheduler", [FREEZE_THAW, "dominance", "mo-asha"])
def test_a_search_goes_on_to_its_end_and_has_the_means_of_what_was_measured(tmp_path, scheduler):
    folder, source = start(
        tmp_path,
        space="progtuning",
        budget=10,
        task=TASK,
        objectives=("metric", "forgetting"),
        sampler="random" if scheduler != "freeze-thaw" else "ehvi",
        scheduler=scheduler,
        front_seeds=2,
    )
    while not isinstance(found := source.next(), Ended):
        run = found.run
        for epoch in (1, 2):
            if source.report(found, progress(epoch, accuracy_of(run))) is Decision.STOP:
                source.ended(found, Stopped())
                break
        else:
            source.ended(found, finished(accuracy_of(run), forgotten(run)))
    assert found.ending == "budget"
    complete = [trial for trial in folder.trials() if trial.is_usable]
    assert any(not trial.is_baseline for trial in complete)
    assert any(trial.repeated for trial in complete)
    for trial in complete:
        runs = [trial, *trial.repeated]
        assert trial.values[1] == pytest.approx(fmean(forgotten(one.run) for one in runs))


def test_a_running_trial_may_still_forget_less_than_those_that_ended(tmp_path):
    """So none that costs no more beats it, unless similar runs forgot much."""
    folder, source = start(
        tmp_path, space="progtuning", task=TASK, objectives=("metric", "forgetting")
    )
    known = source._observations
    for number in range(5):
        found = source.next()
        running = known.curve(folder.trial(found.number), [record(1)])
        ended = [curve.costs[0] for curve in known.curves.values()]
        assert running.costs[0] <= min(ended, default=0.0)
        source.ended(found, finished(0.7, 0.5 + number / 10))
        assert known.curves[found.number].costs == (0.5 + number / 10,)
    assert known.full.costs == known.curves[0].costs


def test_what_repeats_forget_is_part_of_the_mean(tmp_path):
    folder, source = start(tmp_path, task=TASK, objectives=("metric", "forgetting"))
    source.ended(source.next(), finished(0.7, 0.5))
    known = source._observations
    first = folder.trial(0)
    again = Trial(copy.copy(first.frozen))
    again.frozen.number, again._attributes = (
        1,
        first._attributes
        | {
            "repeats": 0,
            "metrics": {"accuracy": 0.7, "forgetting": 0.7},
        },
    )
    known.add(again)
    assert known.curves[0].costs == (pytest.approx(0.6),)


def test_a_run_without_a_measurement_of_it_has_failed(tmp_path):
    folder, source = start(tmp_path, task=TASK, objectives=("metric", "forgetting"))
    source.ended(source.next(), finished())
    assert folder.trial(0).is_failed
    assert "not a number" in folder.trial(0).reason
