import copy
import json
import math

import optuna
import pytest
from optuna.trial import TrialState

from progsearch.errors import ConfigError
from progsearch.report.data import study_report
from progsearch.report.status import status
from progsearch.schedule import Schedule
from progsearch.study.metadata import info_of, keep_info, trials_of
from tests.support.fake_study import FakeStudy, fake_study


@pytest.fixture(scope="module")
def study():
    return fake_study()


def test_the_json_has_the_keys_that_scripts_read(study):
    data = study_report(study).to_dict()
    assert {
        "study", "task", "model", "objectives", "baselines", "front", "trials", "hypervolume",
        "timings",
    } <= set(data)  # fmt: skip
    assert (data["study"], data["task"], data["model"]) == ("fake", "mrpc", "minilm-l6")
    assert data["objectives"] == ["accuracy", "updated_parameters"]
    assert [b["name"] for b in data["baselines"]] == [
        "full", "progtuning-3", "last-quarter", "head-only",
    ]  # fmt: skip
    for trial in data["trials"]:
        assert {"number", "state", "params", "schedule", "values", "user_attrs"} <= set(trial)
    assert "validation" in data["note"]


def test_the_json_holds_what_the_study_holds(study):
    data = study_report(study).to_dict()
    for trial, told in zip(trials_of(study), data["trials"], strict=True):
        assert told["number"] == trial.number
        assert told["state"] == trial.state.name
        assert told["params"] == trial.params
        assert told["values"] == (trial.values if trial.is_complete else None)
        assert told["schedule"] == trial.stages
        assert ("name" in told) == trial.is_baseline
    optunas = {trial.number for trial in study.best_trials}
    assert {trial["number"] for trial in data["front"]} <= optunas
    distinct = {tuple(trial.values) for trial in study.best_trials}
    assert {tuple(trial["values"]) for trial in data["front"]} == distinct


def test_the_sum_of_the_work_is_told(study):
    data = study_report(study).to_dict()
    trained = [t.timings.train for t in trials_of(study) if t.is_complete]
    assert data["timings"]["work"]["train"] == pytest.approx(sum(trained))
    assert data["timings"]["seconds"] == 900.0


def test_numbers_that_json_cannot_hold_become_null():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), math.inf)
    fake.study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.FAIL,
            user_attrs={"metrics": {"accuracy": math.nan}, "seconds": [{"train": -math.inf}]},
        )
    )
    data = study_report(fake.study).to_dict()
    text = json.dumps(data, allow_nan=False)
    trials = json.loads(text)["trials"]
    assert trials[0]["values"][0] is None
    assert trials[1]["user_attrs"] == {
        "metrics": {"accuracy": None},
        "seconds": [{"train": None}],
    }
    assert data["front"] == []


def test_a_report_changes_nothing(study):
    before = copy.deepcopy((study.trials, study.user_attrs))
    report = study_report(study)
    report.to_dict()
    status(report)
    assert (study.trials, study.user_attrs) == before


def test_the_reference_is_the_majority_class_at_full_cost(study):
    report = study_report(study)
    assert report.reference == [0.684, 1.0]
    hand = 0.0
    worst = 0.684
    for trial in sorted(report.front, key=lambda t: t.values[1]):
        hand += (trial.values[0] - worst) * (1.0 - trial.values[1])
        worst = trial.values[0]
    assert report.hypervolume() == pytest.approx(hand)
    assert report.to_dict()["hypervolume"] == {
        "value": pytest.approx(hand),
        "reference": [0.684, 1.0],
    }


def test_other_costs_are_measured_from_full_fine_tunings_and_as_shares_of_it():
    study = fake_study(objectives=("metric", "flops", "seconds"))
    report = study_report(study)
    full = study.trials[0]
    assert report.reference == [0.684, full.values[1], full.values[2]]
    assert 0 < report.hypervolume() < 0.3


def test_without_majority_and_full_fine_tuning_the_worst_seen_is_the_reference():
    fake = FakeStudy(objectives=("metric", "seconds"))
    keep_info(fake.study, info_of(fake.study).model_copy(update={"majority": None}))
    fake.complete(Schedule.progtuning(6, 3), 0.8)
    fake.complete(Schedule.last_blocks(6, 0), 0.7)
    report = study_report(fake.study)
    assert report.reference == [0.7, fake.study.trials[0].values[1]]
    assert report.hypervolume() == 0.0


def test_a_study_without_results_is_reported():
    fake = FakeStudy()
    report = study_report(fake.study)
    assert report.hypervolume() is None
    assert report.to_dict()["trials"] == []
    assert status(report)["seconds_left"] is None


def test_a_study_of_something_else_is_refused():
    with pytest.raises(ConfigError, match="study other"):
        study_report(optuna.create_study(study_name="other"))


def test_status_counts_states_and_tells_what_is_left():
    fake = FakeStudy(budget=10)
    fake.baselines()
    fake.searched(3)
    fake.fail("out of memory")
    fake.fail("stopped", state=TrialState.PRUNED)
    fake.study.ask()
    data = status(study_report(fake.study))
    assert data["states"] == {"COMPLETE": 7, "RUNNING": 1, "PRUNED": 1, "FAIL": 1, "WAITING": 0}
    assert (data["budget"], data["searched"], data["seconds"]) == (10, 5, 900.0)
    # Nine trials took 900 s; five searched ones are left.
    assert data["seconds_left"] == pytest.approx(500.0)
    assert [t["number"] for t in data["front"]] == [
        t.number for t in study_report(fake.study).front
    ]
    json.dumps(data, allow_nan=False)


def test_trials_that_a_stop_cut_short_count_neither_as_failed_nor_as_done():
    fake = FakeStudy(budget=10)
    fake.fail("interrupted", name="full")
    fake.fail("interrupted")
    fake.fail("out of memory")
    fake.complete(Schedule.full(6), 0.8, name="full")
    report = study_report(fake.study)
    assert [trial.number for trial in report.baselines] == [3]
    assert [trial.number for trial in report.failed] == [2]
    assert report.full.number == 3
    data = status(report)
    assert (data["searched"], data["states"]["FAIL"]) == (1, 3)
    assert data["counts"] == {"done": 1, "failed": 1, "interrupted": 2}
    # Two trials took 900 s; nine searched ones and three baselines are left.
    assert data["seconds_left"] == pytest.approx(450.0 * 12)


def test_nothing_is_left_where_a_budget_was_lowered_below_what_is_done():
    fake = FakeStudy(budget=1)
    fake.baselines()
    fake.searched(3)
    assert status(study_report(fake.study))["seconds_left"] == 0
