import pytest

from progsearch.schedule import Schedule
from progsearch.study.collapse import Collapse, collapse_of, constant_answer
from tests.support.fake_study import FakeStudy

MAJORITY = 0.684


def trial_of(metric, constant_from=None):
    fake = FakeStudy()
    fake.complete(Schedule.full(6), metric, constant_from=constant_from)
    return fake.trials[0]


def found(trial, metric="accuracy", majority=MAJORITY):
    return collapse_of(trial, metric, majority)


def test_a_trial_is_collapsed_from_its_first_constant_predictions_on():
    assert found(trial_of(0.7, constant_from=1)) == Collapse(1, constant=True)
    assert found(trial_of(0.7, constant_from=3)) == Collapse(3, constant=True)
    assert found(trial_of(0.7)) is None


def test_a_trial_that_recovered_is_not_collapsed():
    # Its metric was the constant answer's one epoch before its end.
    assert found(trial_of(MAJORITY + 0.02)) is None


def test_the_constant_answers_metric_is_a_collapse_too():
    # In the epochs before, 0.02 and 0.04 lower.
    assert found(trial_of(MAJORITY)) == Collapse(3, constant=False)
    assert found(trial_of(MAJORITY), majority=None) is None


def test_a_stopped_trial_can_be_collapsed():
    fake = FakeStudy()
    fake.stop(0.316, epoch=2, constant=True)
    fake.stop(0.5)
    fake.fail("out of memory")
    collapses = [found(trial) for trial in fake.trials]
    assert collapses == [Collapse(1, constant=True), None, None]


@pytest.mark.parametrize(
    ("metric", "majority", "answer"),
    [("accuracy", 0.6, 0.6), ("matthews_correlation", None, 0.0), ("span_f1", None, None)],
)
def test_a_constant_has_no_correlation(metric, majority, answer):
    assert constant_answer(metric, majority) == answer
