import pytest

from progsearch.report.data import study_report
from progsearch.report.figures.front import front_figure
from progsearch.report.html import page
from progsearch.report.rows import rows
from progsearch.schedule import Schedule
from progsearch.show.tables import front_table
from tests.support.fake_study import FakeStudy, fake_study


def test_the_front_comes_first_then_the_baselines_it_beats():
    fake = FakeStudy()
    fake.baselines()
    fake.complete(Schedule.last_blocks(6, 4), 0.82, learning_rate=5e-5)
    table = rows(study_report(fake.study))
    assert [row.name for row in table] == [
        "#4", "last-quarter", "head-only", "full", "progtuning-3",
    ]  # fmt: skip
    assert [row.on_front for row in table] == [True, True, True, False, False]
    assert [row.baseline for row in table] == [False, True, True, True, True]
    assert [row.tags for row in table] == [("best",), ("knee",), (), (), ()]
    assert table[0].cells == {
        "accuracy": "0.8200",
        "to full": "+2.59 pt",
        "updated": "31.9 %",
        "FLOPs": "297.1T",
        "time": "4 min 5 s",
        "learning rate": "5e-5",
        "trained": "blocks 2–5 · embeddings never",
    }
    assert table[3].cells["to full"] == ""


def test_all_rows_have_the_same_columns():
    table = rows(study_report(fake_study(objectives=("metric", "peak_memory"))))
    assert len({tuple(row.cells) for row in table}) == 1
    assert "memory" in table[0].cells


def test_what_is_forgotten_is_a_column_and_the_mean_over_runs():
    fake = FakeStudy(objectives=("metric", "forgetting"))
    fake.complete(Schedule.full(6), 0.82, name="full", forgetting=0.5)
    fake.complete(Schedule.last_blocks(6, 4), 0.8, forgetting=0.1)
    fake.complete(Schedule.last_blocks(6, 4), 0.8, forgetting=0.3, repeats=1)
    fake.complete(Schedule.last_blocks(6, 0), 0.7, forgetting=0.4)
    report = study_report(fake.study)
    table = rows(report)
    assert [(row.name, row.cells["forgetting"]) for row in table] == [
        ("full", "0.5000"),
        ("#1", "0.2000"),
    ]
    assert report.front[1].values == [0.8, pytest.approx(0.2)]
    assert report.to_dict()["directions"] == ["maximize", "minimize"]
    assert front_table(report)._ranked[:2] == ["accuracy", "forgetting"]
    # Full fine-tuning's is where the hypervolume begins.
    assert report.reference == [0.684, 0.5]
    assert report.hypervolume() == pytest.approx((0.8 - 0.684) * 0.6)
    assert "forgetting" in page(report)
    assert front_figure(report).layout.xaxis.title.text == "forgetting"


def test_what_only_the_end_of_a_run_has_is_a_column_if_it_is_measured():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.82, name="full", forgetting=0.5)
    fake.complete(Schedule.last_blocks(6, 4), 0.8)
    table = rows(study_report(fake.study))
    assert [row.cells["forgetting"] for row in table] == ["0.5000", ""]
    assert "exact match" not in table[0].cells


def test_less_than_nothing_may_be_forgotten():
    fake = FakeStudy(objectives=("metric", "forgetting"))
    fake.complete(Schedule.full(6), 0.8, name="full", forgetting=-0.5)
    fake.complete(Schedule.last_blocks(6, 0), 0.784, forgetting=-0.75)
    report = study_report(fake.study)
    assert report.reference == [0.684, 0.0]
    # The volume of both.
    assert report.hypervolume() == pytest.approx(0.116 * 0.5 + 0.1 * 0.25)


def test_no_result_gives_no_rows():
    assert rows(study_report(FakeStudy().study)) == []
