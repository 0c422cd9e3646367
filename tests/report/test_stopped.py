"""Trials that the scheduler stopped: shown with what they had, compared with nothing."""

import json
import re

import pytest
from optuna.trial import TrialState

from progsearch.errors import StudyError
from progsearch.report.data import study_report
from progsearch.report.figures import front_figure, history_figure
from progsearch.report.rows import rows
from progsearch.report.status import status
from progsearch.schedule import Schedule
from progsearch.show.results import trial_line
from tests.support.fake_study import FakeStudy
from tests.support.pages import plain_page


@pytest.fixture
def fake():
    """Two stopped trials, one of them far better, while it lasted, than all results."""
    fake = FakeStudy(budget=6)
    fake.baselines()
    fake.searched(2)
    fake.stop(0.99, epoch=1, schedule=Schedule.last_blocks(6, 0))  # 6
    fake.stop(0.71, epoch=2, schedule=Schedule.last_blocks(6, 1))  # 7
    return fake


def without_stops(fake):
    """The same study as if its stopped trials had never been."""
    other = FakeStudy(budget=6)
    other.study.add_trials([t for t in fake.study.trials if t.state != TrialState.PRUNED])
    return study_report(other.study)


def test_they_count_for_the_budget_as_what_they_made(fake):
    state = status(study_report(fake.study))
    assert (state["searched"], state["states"]["PRUNED"]) == (4, 2)
    assert state["spent"] == 3.0, "two whole ones, a third and two thirds"
    # Four baselines and the three took 900 s; three of the budget of six are left.
    assert state["seconds_left"] == pytest.approx(900 / 7 * 3)


def test_one_that_another_trial_went_on_with_is_stopped_no_more(fake):
    fake.complete(Schedule.last_blocks(6, 1), 0.75, continues=7)  # 8
    report = study_report(fake.study)
    assert [trial.number for trial in report.stopped] == [6]
    assert trial_line(report, fake.trials[8]).startswith("#8 (on from #7): accuracy 0.7500")
    # Two whole ones, a third of #6, two thirds of #7 and the third that #8 added.
    assert status(report)["spent"] == pytest.approx(10 / 3)


def test_they_change_nothing_that_is_made_of_results(fake):
    report, without = study_report(fake.study), without_stops(fake)
    assert report.hypervolume() == without.hypervolume() > 0
    assert report.reference == without.reference
    assert [t.number for t in report.front] == [t.number for t in without.front]
    for how in ("best", "knee", "cheapest@1pt"):
        assert report.pick(how).number == without.pick(how).number
    assert rows(report) == rows(without)
    drawn, drawn_without = front_figure(report), front_figure(without)
    assert drawn.to_dict()["data"] == drawn_without.to_dict()["data"]
    with pytest.raises(StudyError, match=r"trial 6 .*stopped by the scheduler"):
        report.pick("6")


def test_the_json_lists_them_with_what_they_had(fake):
    data = study_report(fake.study).to_dict()
    told = data["trials"][7]
    assert (told["state"], told["values"]) == ("PRUNED", None)
    assert [r["metrics"]["accuracy"] for r in told["user_attrs"]["records"]] == [0.71, 0.71]
    assert told["user_attrs"]["reason"] == "stopped by the scheduler"
    assert {6, 7}.isdisjoint(trial["number"] for trial in data["front"])
    json.dumps(data, allow_nan=False)


def test_they_are_hollow_in_the_history_and_move_no_line(fake):
    report = study_report(fake.study)
    traces = {trace.name: trace for trace in history_figure(report).data}
    stopped = traces["stopped early"]
    assert (list(stopped.x), list(stopped.y)) == ([6, 7], [0.99, 0.71])
    assert stopped.marker.symbol == "circle-open"
    assert "stopped early at epoch 2 of 3: accuracy 0.7100" in stopped.hovertext[1]
    without = {trace.name: trace for trace in history_figure(without_stops(fake)).data}
    for line in ("best so far", "hypervolume"):
        assert list(traces[line].y) == list(without[line].y)
    assert "stopped early" not in without


def test_the_page_tells_them_apart_from_failures(fake):
    html = plain_page(study_report(fake.study))
    assert "<dt>Stopped early</dt><dd>2</dd>" in html
    assert "<dt>Failed</dt><dd>0</dd>" in html
    assert '<option value="stopped">stopped early (2)</option>' in html
    assert '<option value="failed">' not in html
    (row,) = re.findall(r"<tr [^>]*><td [^>]*>#7</td>.*?</tr>", html)
    assert ">stopped early</td>" in row
    assert ">stopped early at epoch 2 of 3: accuracy 0.7100</td>" in row


def test_their_line_in_the_terminal(fake):
    report = study_report(fake.study)
    assert trial_line(report, fake.trials[7]) == (
        "#7 stopped early at epoch 2 of 3: accuracy 0.7100 (block 5 · embeddings never)"
    )


def test_a_trial_that_was_stopped_before_it_had_a_metric():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    fake.fail("stopped by the scheduler", state=TrialState.PRUNED)
    report = study_report(fake.study)
    assert trial_line(report, fake.trials[1]) == (
        "#1 stopped early in its first epoch (everything, always)"
    )
    assert "stopped early" not in {trace.name for trace in history_figure(report).data}
    assert "stopped early in its first epoch" in plain_page(report)
