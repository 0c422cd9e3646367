import pytest

from progsearch.report.data import study_report
from progsearch.report.html import page
from progsearch.report.indistinct import indistinct
from progsearch.schedule import Schedule
from tests.support.fake_study import FakeStudy, fake_study


def study_of(*metrics):
    fake = FakeStudy()
    for blocks, metric in enumerate(metrics):
        fake.complete(Schedule.last_blocks(6, blocks), metric)
    return fake.study


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_metrics_are_said_in_data_and_page(value):
    report = study_report(study_of(value, value, value))
    said = (
        "The metric cannot tell schedules apart: all 3 trials with a result have accuracy "
        f"{value:.4f}."
    )
    assert report.to_dict()["indistinct"] == said
    assert said in page(report)


@pytest.mark.parametrize("metrics", [(), (0.0,), (0.0, 0.0, 0.1)])
def test_one_result_or_different_ones_say_nothing(metrics):
    report = study_report(study_of(*metrics))
    assert indistinct(report.usable, report.metric) is None
    assert report.to_dict()["indistinct"] is None


def test_failed_trials_do_not_count():
    fake = FakeStudy()
    fake.fail("out of memory")
    fake.complete(Schedule.full(6), 0.5)
    assert study_report(fake.study).to_dict()["indistinct"] is None
    assert study_report(fake_study()).to_dict()["indistinct"] is None
