import json

from optuna_dashboard import get_note

from progsearch.report.dashboard import save_to_dashboard
from progsearch.report.data import study_report
from progsearch.schedule import Schedule
from tests.support.fake_study import FakeStudy, fake_study


def saved(study):
    """Figure and note as the dashboard reads them."""
    attrs = study._storage.get_study_system_attrs(study._study_id)
    prefix = "dashboard:plot_data:front:"
    parts = {int(k.removeprefix(prefix)): v for k, v in attrs.items() if k.startswith(prefix)}
    return json.loads("".join(parts[i] for i in sorted(parts))), get_note(study)


def test_the_dashboard_gets_the_front_and_a_table():
    study = fake_study()
    save_to_dashboard(study, study_report(study))
    figure, note = saved(study)
    assert "front" in {trace.get("name") for trace in figure["data"]}
    assert figure["layout"]["paper_bgcolor"] == "white"
    assert "| progtuning-3 | 0.8015 | +0.74 pt | 84.4 %" in note
    assert "validation data" in note


def test_the_figure_stays_small():
    # It is kept in attributes of 2,045 characters, each a line of the journal.
    study = fake_study(n_searched=60)
    save_to_dashboard(study, study_report(study))
    figure, _ = saved(study)
    assert len(json.dumps(figure)) < 60_000


def test_a_later_figure_takes_the_place_of_the_earlier():
    fake = FakeStudy()
    fake.baselines()
    fake.searched(20)
    save_to_dashboard(fake.study, study_report(fake.study))
    fake.complete(Schedule.last_blocks(6, 0), 0.99)
    save_to_dashboard(fake.study, study_report(fake.study))
    figure, note = saved(fake.study)
    (front,) = [trace for trace in figure["data"] if trace.get("name") == "front"]
    assert front["y"] == [0.99]
    assert "| #24 | 0.9900 |" in note
