from progsearch.report.data import study_report
from progsearch.report.rows import rows
from progsearch.schedule import Schedule
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


def test_no_result_gives_no_rows():
    assert rows(study_report(FakeStudy().study)) == []
