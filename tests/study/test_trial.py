"""Every property of a trial against Optuna's, and the makers through a real journal."""

from datetime import datetime

import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from progsearch.config import Limits, RunConfig, TaskConfig, TrainingConfig, plain
from progsearch.costs import RunCost
from progsearch.errors import ConfigError
from progsearch.schedule import Schedule
from progsearch.study.folder import create_study, open_study
from progsearch.study.info import ModelSize, Session, StudyInfo
from progsearch.study.metadata import (
    info_of,
    keep_info,
    keep_recipe,
    keep_sessions,
    recipe_of,
    sessions_of,
    trials_of,
)
from progsearch.study.new_trials import (
    Sampled,
    continuing,
    new_trial,
    outcome_attributes,
    record_attributes,
    retrying,
)
from progsearch.study.results import Chosen, Outcome, Record, Spent, Timings
from progsearch.study.trial import INTERRUPTED, STOPPED, Plan, Trial, numbered
from tests.support.fakes import recipe

SCHEDULE = Schedule.progtuning(6, 3)
RUN = RunConfig(
    progsearch_version="0.1.0",
    model="some-model",
    task=TaskConfig(name="some-task"),
    training=TrainingConfig(epochs=3, learning_rate=5e-5, seed=7),
    stages=SCHEDULE.to_dicts(),
)
COSTS = RunCost(6, 1000, 700.0, 2100.0, 0.7, 3e12, 0.8)
PLAN = Plan(SCHEDULE, RUN, COSTS, "k", ((10, "a"), (20, "b"), (30, "k")), (1e12, 1e12, 1e12))
DISTRIBUTIONS = {"n_stages": IntDistribution(1, 6), "growth": FloatDistribution(0.5, 2.0)}
SAMPLED = Sampled({"n_stages": 3, "growth": 1.5}, DISTRIBUTIONS, {"sampler": "some"})
RECORDS = [
    Record(10, 1 / 3, 1.0, {"accuracy": 0.6}, 4.0),
    Record(20, 2 / 3, 2.0, {"accuracy": 0.7}, 8.0),
]
TIMINGS = Timings(setup=1.0, train=6.0, evaluate=2.0, saved=3.0)
SPENT = Spent(TIMINGS, steps_trained=12, peak_memory=5000)


def trial_of(state=TrialState.COMPLETE, values=(0.8, 0.7), number=4, **attributes):
    values = values if state == TrialState.COMPLETE else None
    trial = create_trial(state=state, values=values, user_attrs=attributes)
    trial.number = number
    return Trial(trial)


# -- states ----------------------------------------------------------------------------------


def ways(trial):
    return {
        name
        for name in (
            "is_running",
            "is_finished",
            "is_complete",
            "is_usable",
            "is_stopped",
            "is_interrupted",
            "is_failed",
            "is_searched",
        )
        if getattr(trial, name)
    }


def test_a_complete_trial():
    trial = trial_of()
    assert ways(trial) == {"is_finished", "is_complete", "is_usable", "is_searched"}
    assert (trial.number, trial.state, trial.values) == (4, TrialState.COMPLETE, [0.8, 0.7])
    assert repr(trial) == "Trial(4, COMPLETE)"


@pytest.mark.parametrize("bad", [float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_not_usable(bad):
    assert ways(trial_of(values=(bad, 0.7))) == {"is_finished", "is_complete", "is_searched"}


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        (TrialState.RUNNING, None, {"is_running", "is_searched"}),
        (TrialState.PRUNED, STOPPED, {"is_finished", "is_stopped", "is_searched"}),
        (TrialState.FAIL, INTERRUPTED, {"is_finished", "is_interrupted"}),
        (TrialState.FAIL, "out of memory", {"is_finished", "is_failed", "is_searched"}),
        (TrialState.FAIL, None, {"is_finished", "is_failed", "is_searched"}),
    ],
)
def test_a_trial_without_values(state, reason, expected):
    trial = trial_of(state, **({} if reason is None else {"reason": reason}))
    assert ways(trial) == expected
    assert trial.reason == reason


def test_who_is_searched():
    assert trial_of(retry_of=1).is_searched
    assert not trial_of(continues=1).is_searched
    assert not trial_of(name="full").is_searched
    assert not trial_of(TrialState.FAIL, reason=INTERRUPTED).is_searched


# -- what it is and trains -------------------------------------------------------------------


def test_a_reference_goes_by_its_name_and_others_by_their_number():
    reference, searched = trial_of(name="full"), trial_of()
    assert (reference.name, reference.is_baseline, reference.label) == ("full", True, "full")
    assert (searched.name, searched.is_baseline, searched.label) == (None, False, "#4")


def test_which_trial_it_follows():
    assert (trial_of().continues, trial_of().retry_of) == (None, None)
    assert trial_of(continues=0).continues == 0
    assert trial_of(retry_of=0).retry_of == 0


def test_what_it_trains():
    trial = Trial(new_trial(PLAN, sampled=SAMPLED))
    assert trial.key == "k"
    assert trial.run == RUN
    assert trial.stages == SCHEDULE.to_dicts()
    assert trial.costs == COSTS
    assert trial.updated_parameters == 0.7
    assert trial.segments == PLAN.segments
    assert trial.segment_flops == [1e12, 1e12, 1e12]
    assert trial.params == SAMPLED.params


def test_a_run_that_this_version_does_not_understand_is_named():
    trial = trial_of(run={**plain(RUN), "colour": "blue"})
    with pytest.raises(ConfigError, match="trial 4: colour: unknown key"):
        trial.run  # noqa: B018


def test_limits_are_held_against_its_values():
    trial = trial_of(costs=COSTS.to_dict())
    assert trial.keeps_to(Limits())
    assert trial.keeps_to(Limits(max_updated=0.7, min_metric=0.8))
    assert not trial.keeps_to(Limits(max_updated=0.6))
    assert not trial.keeps_to(Limits(min_metric=0.81))


# -- what came out ---------------------------------------------------------------------------


def test_what_came_out():
    outcome = Outcome({"accuracy": 0.8, "f1": 0.7}, SPENT)
    trial = trial_of(**outcome_attributes(outcome), **record_attributes(RECORDS))
    assert trial.records == tuple(RECORDS)
    assert trial.metrics == outcome.metrics
    assert trial.n_seeds == 1
    assert trial.timings == TIMINGS
    assert trial.seconds == 8.0
    assert trial.steps_trained == 12
    assert trial.peak_memory == 5000


def test_a_trial_that_said_nothing():
    trial = trial_of(TrialState.FAIL)
    assert (trial.records, trial.metrics, trial.n_seeds) == ((), {}, 1)
    assert (trial.timings, trial.steps_trained, trial.peak_memory) == (None, None, 0)
    assert (trial.started, trial.params) == (trial.frozen.datetime_start, {})


def test_timings_of_studies_before_reuse_saved_nothing():
    assert trial_of(timings={"setup": 1.0, "train": 6.0, "evaluate": 2.0}).timings.saved == 0.0


def test_only_a_stopped_trial_with_records_reaches_less_than_all_of_its_run():
    kept = record_attributes(RECORDS)
    assert trial_of(TrialState.PRUNED, **kept).reach == 2 / 3
    assert trial_of(TrialState.PRUNED).reach == 1.0
    assert trial_of(TrialState.RUNNING, **kept).reach == 1.0
    assert trial_of(TrialState.FAIL, **kept).reach == 1.0
    assert trial_of(**kept).reach == 1.0


def test_as_data():
    trial = trial_of(name="full", schedule=[1], metrics={"accuracy": 0.8})
    assert trial.to_dict() == {
        "number": 4,
        "state": "COMPLETE",
        "name": "full",
        "params": {},
        "schedule": [1],
        "values": [0.8, 0.7],
        "standard_error": None,
        "seeds": 1,
        "user_attrs": {"name": "full", "schedule": [1], "metrics": {"accuracy": 0.8}},
    }
    data = trial_of(TrialState.FAIL, reason="out of memory").to_dict()
    assert (data["values"], data["schedule"], "name" in data) == (None, None, False)


def test_by_number():
    first, second = trial_of(number=2), trial_of(number=9)
    assert numbered([first, second]) == {2: first, 9: second}


# -- makers, through a journal ---------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return create_study(recipe(), tmp_path)


def reread(folder, number):
    """A trial as another process finds it."""
    return open_study(folder.path, read_only=True).trial(number)


def test_a_new_trial_is_running_and_whole(folder):
    before = datetime.now()
    added = folder.add(new_trial(PLAN, sampled=SAMPLED))
    found = reread(folder, added.number)
    assert found.is_running and found.started >= before
    assert (found.name, found.run, found.costs) == (None, RUN, COSTS)
    assert (found.key, found.segments) == (PLAN.key, PLAN.segments)
    assert Sampled.of(found) == SAMPLED
    assert reread(folder, folder.add(new_trial(PLAN, name="full")).number).label == "full"
    assert Sampled.of(folder.trial(1)) is None


def test_an_outcome_comes_back(folder):
    number = folder.add(new_trial(PLAN)).number
    seeds = ({"accuracy": 0.79}, {"accuracy": 0.81})
    folder.keep(number, record_attributes(RECORDS))
    folder.keep(number, outcome_attributes(Outcome({"accuracy": 0.8}, SPENT, seeds=seeds)))
    folder.study.tell(number, [0.8, 0.7])
    found = reread(folder, number)
    assert found.is_usable and found.values == [0.8, 0.7]
    assert (found.metrics, found.n_seeds) == ({"accuracy": 0.8}, 2)
    assert (found.records, found.timings) == (tuple(RECORDS), TIMINGS)
    assert (found.steps_trained, found.peak_memory) == (12, 5000)


def test_a_score_on_test_data_is_kept():
    outcome = Outcome({"accuracy": 0.8}, SPENT, test_metrics={"accuracy": 0.75})
    assert outcome_attributes(outcome)["test_metrics"] == {"accuracy": 0.75}


def test_what_was_chosen_on_the_way_takes_the_place_of_the_plan(folder):
    number = folder.add(new_trial(PLAN)).number
    other = Schedule.last_blocks(6, 2)
    run = RUN.model_copy(update={"model": "other-model"})
    chosen = Chosen(other.to_dicts(), plain(run), {**COSTS.to_dict(), "updated_parameters": 0.2})
    folder.keep(number, outcome_attributes(Outcome({"accuracy": 0.8}, SPENT, chosen=chosen)))
    found = reread(folder, number)
    assert (found.stages, found.run.model) == (other.to_dicts(), "other-model")
    assert found.costs.updated_parameters == found.updated_parameters == 0.2
    assert found.key == PLAN.key


def test_a_stopped_trial_is_continued_by_one_of_its_own_kind(folder):
    number = folder.add(new_trial(PLAN, sampled=SAMPLED)).number
    folder.keep(number, record_attributes(RECORDS) | SPENT.to_dict())
    folder.keep(number, {"reason": STOPPED})
    folder.study.tell(number, state=TrialState.PRUNED)
    stopped = reread(folder, number)
    assert (stopped.is_stopped, stopped.reach, stopped.timings) == (True, 2 / 3, TIMINGS)
    found = reread(folder, folder.add(continuing(stopped)).number)
    assert found.is_running and found.continues == number
    assert (found.reason, found.records, found.timings) == (None, (), None)
    assert (found.run, found.key, found.costs) == (RUN, PLAN.key, COSTS)
    assert (found.segments, found.segment_flops) == (stopped.segments, stopped.segment_flops)
    assert Sampled.of(found) == SAMPLED


@pytest.mark.parametrize("name", [None, "full"])
def test_an_interrupted_trial_is_run_again_as_it_was(folder, name):
    sampled = SAMPLED if name is None else None
    number = folder.add(new_trial(PLAN, name=name, sampled=sampled)).number
    folder.keep(number, {"reason": INTERRUPTED})
    folder.study.tell(number, state=TrialState.FAIL)
    found = reread(folder, folder.add(retrying(reread(folder, number))).number)
    assert found.is_running and (found.retry_of, found.reason) == (number, None)
    assert (found.name, found.run, found.key) == (name, RUN, PLAN.key)
    assert Sampled.of(found) == sampled


# -- what a study keeps about itself ---------------------------------------------------------


def test_what_a_study_says_of_itself_comes_back(folder):
    info = StudyInfo(
        space={"dimensions": {}},
        earlier={"study": "old"},
        baselines=("full", "head-only"),
        contributions={"depth": (0.5, 1.0)},
        model=ModelSize(n_blocks=2, parameters=100),
        metric="f1",
        split="validation",
        majority=0.6,
        fingerprint="print",
        progsearch_version="0.1.0",
    )
    sessions = [Session(started="2026-11-23T18:00:00", seconds=9.5, trials=4)]
    keep_info(folder.study, info)
    keep_recipe(folder.study, recipe(budget=9))
    keep_sessions(folder.study, sessions)
    found = open_study(folder.path, read_only=True).study
    assert (info_of(found), recipe_of(found).budget) == (info, 9)
    assert sessions_of(found) == sessions


def test_a_study_that_says_nothing_of_itself(folder):
    assert info_of(folder.study) == StudyInfo()
    assert sessions_of(folder.study) == []
    assert trials_of(folder.study) == []
