import pytest

from progsearch.report.data import study_report
from progsearch.report.figures import confirmed_figure
from tests.support.fake_runs import fake_runs
from tests.support.fake_study import fake_study


def drawn(objectives=("metric", "updated_parameters"), n_seeds=5):
    study = fake_study(objectives)
    report = study_report(study, fake_runs(study, n_seeds))
    figure = confirmed_figure(report, report.confirmed)
    return report.confirmed, figure, {t.name: t for t in figure.data if t.name}


def test_every_schedule_has_its_mean_and_its_interval():
    confirmed, _, traces = drawn()
    points = {}
    for name in ("searched", "references"):
        trace = traces[name]
        for x, y, up, down in zip(
            trace.x, trace.y, trace.error_y.array, trace.error_y.arrayminus, strict=True
        ):
            points[round(x, 9)] = (y, y - down, y + up)
    assert points == {
        round(100 * s.updated_parameters, 9): pytest.approx((s.summary.mean, *s.summary.interval))
        for s in confirmed.schedules
    }


def test_the_line_is_the_front_of_the_means():
    confirmed, _, traces = drawn()
    line = traces["front of the means"]
    front = list(zip(line.x, line.y, strict=True))
    for schedule in confirmed.schedules:
        x, y = 100 * schedule.updated_parameters, schedule.summary.mean
        beaten = any(a <= x and b >= y and (a, b) != (x, y) for a, b in front)
        assert beaten == (y not in line.y)
    assert list(line.y) == sorted(line.y)


def test_full_fine_tuning_and_the_margin_have_lines_within_the_axes():
    confirmed, figure, traces = drawn()
    full = next(s for s in confirmed.schedules if s.name == "full").summary.mean
    assert set(traces["full fine-tuning"].y) == {full}
    assert list(traces["1 pt below it"].y) == pytest.approx([full - 0.01] * 2)
    low, high = figure.layout.yaxis.range
    assert all(low < end < high for s in confirmed.schedules for end in s.summary.interval)


def test_one_seed_has_no_bars():
    _, _, traces = drawn(n_seeds=1)
    assert set(traces["searched"].error_y.array) == {0}


def test_other_costs_have_their_own_axis():
    confirmed, figure, traces = drawn(("metric", "seconds"))
    assert figure.layout.xaxis.title.text == "seconds"
    assert set(traces["searched"].x) <= {s.means[1] for s in confirmed.schedules}
    confirmed, figure, _ = drawn(("metric",))
    assert "updated parameters" in figure.layout.xaxis.title.text
