"""Runs with constant predictions: named everywhere, and never what a gain is measured against."""

import re

import pytest

from progsearch.report.data import study_report
from progsearch.report.rows import rows
from progsearch.report.status import status
from progsearch.schedule import Schedule
from progsearch.show.results import trial_line
from tests.support.fake_study import FakeStudy
from tests.support.pages import plain_page


@pytest.fixture
def fake():
    """Full fine-tuning collapsed at a rate that is too high, and so did a stopped trial."""
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.684, name="full", learning_rate=5e-2, constant_from=1)
    fake.complete(Schedule.progtuning(6, 3), 0.72, name="progtuning-3")
    fake.complete(Schedule.last_blocks(6, 4), 0.80)
    fake.stop(0.316, epoch=2, constant=True)
    return fake


def test_the_line_of_a_trial_says_where_and_why(fake):
    report = study_report(fake.study)
    full, paper, _, stopped = (trial_line(report, trial) for trial in fake.trials)
    assert full.endswith(
        "(everything, always); collapsed from epoch 1 at learning rate 5e-2: predictions are "
        "constant"
    )
    assert "collapsed" not in paper
    assert stopped.startswith("#3 stopped early at epoch 2 of 3: accuracy 0.3160 (")
    assert "; collapsed from epoch 1 at learning rate 1e-4: predictions are constant" in stopped


def test_other_reasons():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.684)
    two = [{"accuracy": 0.684}, {"accuracy": 0.8}]
    fake.complete(Schedule.full(6), 0.742, constant_from=3, seeds=two)
    report = study_report(fake.study)
    exact, mean = (trial_line(report, trial) for trial in fake.trials)
    assert exact.endswith("1e-4: accuracy is that of the constant answer")
    assert mean.endswith("1e-4: predictions are constant with at least one of 2 seeds")


def test_nothing_is_a_gain_over_a_collapsed_run(fake):
    table = {row.name: row for row in rows(study_report(fake.study))}
    assert {name: row.cells["to full"] for name, row in table.items()} == {
        "full": "",
        "progtuning-3": "full collapsed",
        "#2": "full collapsed",
    }
    assert table["full"].tags == ("collapsed",)
    assert "collapsed" not in table["#2"].tags


def test_the_json_says_which_trials(fake):
    report = study_report(fake.study)
    data = report.to_dict()
    reason = "predictions are constant"
    assert [trial["collapsed"] for trial in data["trials"]] == [
        {"epoch": 1, "learning_rate": 5e-2, "reason": reason},
        None,
        None,
        {"epoch": 1, "learning_rate": 1e-4, "reason": reason},
    ]
    assert data["baselines"][0]["collapsed"]["epoch"] == 1
    assert [trial["collapsed"] for trial in status(report)["front"]] == [None]


def test_the_page_names_them_and_has_no_card_that_compares(fake):
    html = plain_page(study_report(fake.study))
    assert re.search(r'>full ?<span class="tag">collapsed</span>', html)
    assert re.search(r'>#3<span class="tag">collapsed</span>', html)
    assert "Cheapest within" not in html
    assert "Best metric" in html
