"""What a study keeps of its trials, and who is told."""

import pytest
from optuna.trial import TrialState

from progsearch.config import plain
from progsearch.schedule import Schedule
from progsearch.space.space import Space
from progsearch.strategy.source import Decision, Stopped
from progsearch.study.results import Chosen
from progsearch.study.trial import STOPPED
from tests.support.fakes import (
    Watcher,
    failed,
    finished,
    new_folder,
    progress,
    recipe,
    run_all,
    source_of,
    start,
)


def test_a_finished_trial_has_its_values_in_the_order_of_the_objectives(tmp_path):
    objectives = ("metric", "seconds", "updated_parameters")
    folder, source = start(tmp_path, objectives=objectives)
    assignment = source.next()
    assert source.report(assignment, progress(1)) is Decision.CONTINUE
    source.ended(assignment, finished(0.75))
    trial = folder.trial(0)
    assert trial.values == [0.75, 7.0, 1.0]
    assert [record.epoch for record in trial.records] == [1, 3]
    assert trial.metrics == {"accuracy": 0.75, "f1": 0.8}
    assert trial.peak_memory == 1000
    assert folder.study.metric_names == ["accuracy", "seconds", "updated_parameters"]


def test_a_finished_trial_holds_what_was_trained_and_its_cost(tmp_path):
    objectives = ("metric", "updated_parameters", "flops")
    folder, source = start(tmp_path, "wide", objectives=objectives, max_updated=0.9)
    assignment = source.next()
    trained = plain(assignment.run) | {"stages": Schedule.last_blocks(6, 1).to_dicts()}
    costs = folder.trial(0).costs.to_dict() | {"updated_parameters": 0.95, "flops": 7}
    chosen = Chosen(trained["stages"], trained, costs)
    source.ended(assignment, finished(chosen=chosen))
    trial = folder.trial(0)
    assert trial.values == [0.7, 0.95, 7.0]
    assert trial.frozen.constraints == {"max_updated": pytest.approx(0.05)}
    assert (trial.stages, plain(trial.run)) == (chosen.schedule, chosen.run)
    assert trial.costs.to_dict() == costs


def test_a_finished_trial_keeps_the_metrics_of_each_seed_and_of_test_data(tmp_path):
    folder, source = start(tmp_path, seeds=2)
    seeds = ({"accuracy": 0.6}, {"accuracy": 0.8})
    source.ended(source.next(), finished(seeds=seeds, test_metrics={"accuracy": 0.5}))
    attributes = folder.trial(0).frozen.user_attrs
    assert folder.trial(0).n_seeds == 2
    assert attributes["seeds"] == list(seeds)
    assert attributes["test_metrics"] == {"accuracy": 0.5}


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (failed("the loss is not finite at step 3 of 30"), "the loss is not finite"),
        (failed("out of GPU memory at step 1: ..."), "out of GPU memory"),
        (finished(float("nan")), "a result is not a number"),
        (finished(float("inf")), "a result is not a number"),
    ],
)
def test_a_failure_is_told_with_its_reason_and_the_search_goes_on(tmp_path, end, reason):
    folder, source = start(tmp_path, budget=2)
    source.ended(source.next(), end)
    assert folder.trial(0).is_failed
    assert reason in folder.trial(0).reason
    run_all(source)
    states = [trial.state for trial in folder.trials()]
    assert states == [TrialState.FAIL, *[TrialState.COMPLETE] * 5]


def test_a_stopped_trial_is_pruned_and_keeps_its_records(tmp_path):
    folder, source = start(tmp_path)
    assignment = source.next()
    source.report(assignment, progress(1))
    source.ended(assignment, Stopped())
    trial = folder.trial(0)
    assert (trial.state, trial.frozen.values) == (TrialState.PRUNED, None)
    assert trial.reason == STOPPED
    assert [record.epoch for record in trial.records] == [1]
    assert (trial.steps_trained, trial.peak_memory) == (10, 1000)
    assert folder.study.best_trials == []


def test_the_sampler_and_the_study_learn_how_far_a_limit_is_missed(tmp_path):
    folder, source = start(tmp_path, budget=2, min_metric=0.99)
    run_all(source)
    for trial in folder.trials():
        missed = 0.99 - trial.measured
        assert trial.frozen.constraints == {"min_metric": pytest.approx(missed)}
    learnt = [t.constraints for t in source._draws._study.trials if t.values]
    assert [set(constraints) for constraints in learnt] == [{"min_metric"}] * 2


def test_the_view_is_told_what_happens(tmp_path):
    view = Watcher()
    space = Space.load("quick")
    source = source_of(new_folder(tmp_path, recipe(), space), space, view=view)
    assignment = source.next()
    source.report(assignment, progress(1))
    source.ended(assignment, finished())
    source.ended(source.next(), failed("no"))
    assert view.told == [
        ("run_started", 0),
        ("record", 0, 1),
        ("record", 0, 3),
        ("run_ended", 0, "COMPLETE"),
        ("run_started", 1),
        ("run_ended", 1, "FAIL"),
    ]
