import numpy as np
import pytest

from progsearch.report.data import study_report
from progsearch.report.figures import schedule_map
from progsearch.schedule import Schedule, Stage
from tests.support.fake_study import FakeStudy, fake_study


def test_the_map_shows_what_is_trained_when():
    fake = FakeStudy(n_blocks=3)
    stages = (
        Stage(0.0, 0.25, (0, 2), embeddings=True),
        Stage(0.25, 1.0, (2,), embeddings=False, head=False),
    )
    fake.complete(Schedule(3, stages), 0.8)
    (trace,) = schedule_map(study_report(fake.study)).data
    assert list(trace.x) == [0.0, 25.0, 100.0]
    # embeddings, blocks 0 to 2, head; a column per stage
    assert np.array_equal(trace.z, [[1, 0], [1, 0], [0, 0], [1, 1], [1, 0]])
    assert trace.text[2][0] == "block 1: frozen, 0–25 % of the training"
    assert trace.text[0][0] == "embeddings: trained, 0–25 % of the training"


def test_every_trial_of_the_front_and_every_baseline_has_a_map():
    report = study_report(fake_study())
    figure = schedule_map(report)
    titles = [annotation.text for annotation in figure.layout.annotations]
    names = [title.split("</b>")[0].removeprefix("<b>") for title in titles]
    expected = [trial.label for trial in report.front]
    assert names == [*expected, "full", "progtuning-3"]
    assert len(figure.data) == len(titles)
    assert titles[-1] == "<b>progtuning-3</b><br>0.8015 · 84.4 %"


@pytest.mark.parametrize("n_blocks", [1, 6, 24])
def test_rows_are_named_without_crowding(n_blocks):
    fake = FakeStudy(n_blocks=n_blocks)
    fake.complete(Schedule.full(n_blocks), 0.8, name="full")
    names = schedule_map(study_report(fake.study)).layout.yaxis.ticktext
    assert (names[0], names[-1]) == ("embeddings", "head")
    assert len(names) <= 8


def test_failed_baselines_have_no_map():
    fake = FakeStudy()
    fake.fail("out of memory", name="full")
    fake.complete(Schedule.last_blocks(6, 0), 0.7, name="head-only")
    assert len(schedule_map(study_report(fake.study)).data) == 1
