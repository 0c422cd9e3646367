"""The scores of each class with the schedule that is picked."""

import pytest

from progsearch.report.data import study_report
from progsearch.report.html import page
from progsearch.report.per_class import by_class, class_rows
from progsearch.schedule import Schedule
from progsearch.study.confirmed_runs import ConfirmedRuns
from progsearch.study.results import mean_scores
from tests.support.fake_runs import confirmed_run
from tests.support.fake_study import FakeStudy


def scores(f1, support=3):
    found = {"precision": f1, "recall": f1, "f1": f1, "support": support}
    return {"price": found, "quality": found}


@pytest.fixture
def fake():
    """A study of full fine-tuning, the head alone and a knee between them."""
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.80, name="full", per_class=scores(0.9))
    fake.complete(Schedule.last_blocks(6, 0), 0.701, name="head-only", per_class=scores(0.1))
    fake.complete(Schedule.last_blocks(6, 2), 0.79, params={"n_stages": 1}, per_class=scores(0.8))
    fake.complete(
        Schedule.last_blocks(6, 2), 0.79, repeats=2, params={"n_stages": 1}, per_class=scores(0.6)
    )
    return fake


def test_means_over_runs_keep_counts_whole():
    found = mean_scores([scores(0.8), None, scores(0.6)])
    assert found == scores(pytest.approx(0.7))
    assert isinstance(found["price"]["support"], int)
    assert mean_scores([None]) is None


def test_the_picked_schedule_stands_beside_full_fine_tuning(fake):
    found = by_class(study_report(fake.study))
    assert found.trial.number == 2
    assert found.about == "each class with #2, on validation data, mean of 2 seeds"
    (row, _) = class_rows(found.scores, found.full)
    assert row.name == "price"
    assert row.cells == {
        "f1": "0.7000",
        "f1 of full": "0.9000",
        "precision": "0.7000",
        "recall": "0.7000",
        "support": "3",
    }


def test_new_seeds_come_first_on_the_page_and_stand_in_the_data(fake):
    runs = ConfirmedRuns(
        margin=0.01,
        runs=[
            confirmed_run(2, seed, 0.79, per_class=scores(f1))
            for seed, f1 in ((1, 0.5), (2, 0.25))
        ],
    )
    report = study_report(fake.study, runs)
    found = by_class(report, confirmed=True)
    assert (found.scores, found.full) == (scores(0.375), None)
    (schedule,) = report.to_dict()["confirmed"]["schedules"]
    assert schedule["per_class"] == scores(0.375)
    html = page(report)
    assert "Each class with #2, on validation data, mean of 2 new seeds." in html
    assert ">0.3750<" in html and ">0.7000<" not in html.partition("Each class")[2][:3000]


def test_without_the_picked_one_another_confirmed_schedule_is_shown(fake):
    fake.complete(Schedule.last_blocks(6, 4), 0.795, params={"n_stages": 2})
    runs = ConfirmedRuns(margin=0.01, runs=[confirmed_run(4, 1, 0.8, per_class=scores(0.5))])
    assert by_class(study_report(fake.study, runs), confirmed=True).trial.number == 4


def test_studies_of_earlier_versions_have_no_such_scores():
    fake = FakeStudy()
    fake.baselines()
    runs = ConfirmedRuns(margin=0.01, runs=[confirmed_run(0, 1, 0.8)])
    report = study_report(fake.study, runs)
    assert by_class(report) is by_class(report, confirmed=True) is None
    assert "Each class" not in page(report)
