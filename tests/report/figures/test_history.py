import pytest

from progsearch.report.data import study_report
from progsearch.report.figures import history_figure
from tests.support.fake_study import FakeStudy, fake_study


@pytest.mark.parametrize(
    "objectives",
    [("metric",), ("metric", "updated_parameters"), ("metric", "flops", "seconds")],
)
def test_the_last_point_is_where_the_study_stands(objectives):
    report = study_report(fake_study(objectives=objectives))
    figure = history_figure(report)
    by_name = {trace.name: trace for trace in figure.data}
    assert by_name["best so far"].y[-1] == report.front[0].values[0]
    volumes = by_name["hypervolume"].y
    assert volumes[-1] == pytest.approx(report.hypervolume())
    assert list(volumes) == sorted(volumes)


def test_every_trial_with_a_result_is_drawn_once():
    report = study_report(fake_study())
    drawn = [x for t in history_figure(report).data if t.mode == "markers" for x in t.x]
    assert sorted(drawn) == [trial.number for trial in report.usable]


def test_an_empty_study_is_drawn():
    assert history_figure(study_report(FakeStudy().study)).data[0].x == ()
