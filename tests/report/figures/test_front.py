import pytest

from progsearch.report.data import study_report
from progsearch.report.figures import front_figure
from progsearch.schedule import Schedule
from tests.support.fake_study import FakeStudy, fake_study


def traces(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_the_front_is_a_step_line_over_updated_parameters():
    report = study_report(fake_study())
    figure = front_figure(report)
    (front,) = traces(figure, "front")
    by_cost = sorted(report.front, key=lambda t: t.values[1])
    assert list(front.x) == pytest.approx([100 * t.values[1] for t in by_cost])
    assert list(front.y) == [t.values[0] for t in by_cost]
    assert front.line.shape == "hv"
    assert "% of full fine-tuning" in figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text == "accuracy"


def test_every_trial_with_a_result_is_drawn():
    study = fake_study()
    report = study_report(study)
    figure = front_figure(report)
    drawn = {
        point
        for name in ("trials", "front", "references")
        for trace in traces(figure, name)
        for point in zip(trace.x, trace.y, strict=True)
    }
    assert drawn == {(100 * t.values[1], t.values[0]) for t in report.usable}


def test_baselines_are_labelled_and_full_fine_tuning_has_its_line():
    report = study_report(fake_study())
    figure = front_figure(report)
    texts = {trace.text[0] for trace in figure.data if trace.mode == "markers+text"}
    assert {"full", "progtuning-3", "last-quarter", "head-only"} <= texts
    (line,) = traces(figure, "full fine-tuning")
    assert set(line.y) == {0.7941}


def test_the_pointer_shows_the_schedule():
    (baselines,) = traces(front_figure(study_report(fake_study())), "references")
    assert baselines.hovertext[1] == (
        "<b>progtuning-3</b><br>accuracy 0.8015<br>updated parameters 84.4 %<br>352.1T FLOPs<br>"
        "4 min 47 s<br>learning rate 1e-4<br>blocks 0–5 → 2–5 at 33 % → 4–5 at 67 %<br>"
        "embeddings always"
    )


def test_three_objectives_have_a_panel_per_cost_and_no_step_line():
    report = study_report(fake_study(objectives=("metric", "flops", "peak_memory")))
    figure = front_figure(report)
    flops, memory = traces(figure, "front")
    assert (flops.mode, memory.mode) == ("markers", "markers")
    assert sorted(flops.x) == sorted(t.values[1] for t in report.front)
    assert sorted(memory.x) == pytest.approx(sorted(t.values[2] / 2**30 for t in report.front))
    assert figure.layout.xaxis2.title.text == "peak memory, GiB"


def test_one_objective_is_drawn_over_updated_parameters():
    report = study_report(fake_study(objectives=("metric",)))
    (front,) = traces(front_figure(report), "front")
    (best,) = report.front
    cost = best.updated_parameters
    assert list(front.x) == pytest.approx([100 * cost])


def test_one_trial_and_none_are_drawn():
    fake = FakeStudy()
    assert traces(front_figure(study_report(fake.study)), "front")[0].x == ()
    fake.complete(Schedule.full(6), 0.8, name="full")
    (front,) = traces(front_figure(study_report(fake.study)), "front")
    assert list(front.x) == [100.0]
