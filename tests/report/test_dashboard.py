import json

import optuna
import pytest
from optuna_dashboard import get_note, save_note

from progsearch.internals.optuna import trial_of
from progsearch.report.dashboard import save_to_dashboard
from progsearch.report.dashboard_storage import DashboardStorage
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


def test_every_trial_that_has_ended_has_a_note_which_is_not_written_again():
    fake = FakeStudy()
    fake.baselines()
    fake.stop(0.71, 2, schedule=Schedule.last_blocks(6, 1))
    fake.fail("out of memory")
    fake.study.ask()
    study = fake.study
    save_to_dashboard(study, study_report(study))

    def note(number):
        return get_note(trial_of(study, number))

    assert note(1) == (
        "**progtuning-3**: `full > emb+2-5 > emb+4-5`\n\n"
        "blocks 0–5 → 2–5 at 33 % → 4–5 at 67 % · embeddings always\n\n"
        "- accuracy 0.8015\n- updated parameters 84.4 %\n- learning rate 1e-4"
    )
    assert "stopped early at epoch 2 of 3: accuracy 0.7100" in note(4)
    assert "failed: out of memory" in note(5)
    assert note(6) == ""
    save_note(trial_of(study, 1), "my own words")
    save_to_dashboard(study, study_report(study))
    assert note(1) == "my own words"


def test_the_dashboard_shows_short_attributes_and_the_study_keeps_its_own():
    study = fake_study()
    storage = study._storage
    study_id = storage.get_study_id_from_name("fake")
    stored = [trial.user_attrs for trial in study.trials]
    shown = DashboardStorage(storage)
    trials = shown.get_all_trials(study_id)
    assert trials[1].user_attrs == {
        "schedule": "full > emb+2-5 > emb+4-5",
        "method": "full",
        "learning rate": "1e-4",
        "updated": "84.4 %",
        "time": "4 min 47 s",
        "name": "progtuning-3",
        "metrics": {"accuracy": 0.8015, "f1": pytest.approx(0.8515)},
    }
    assert max(len(str(trial.user_attrs)) for trial in trials) < 300
    (summary,) = shown.get_all_studies()
    assert max(len(str(value)) for value in summary.user_attrs.values()) < 100
    assert summary.user_attrs["task"] == "mrpc"
    assert [trial.user_attrs for trial in study.trials] == stored
    assert "recipe" in study.user_attrs


def test_studies_of_something_else_are_shown_as_they_are():
    study = optuna.create_study(study_name="other")
    study.set_user_attr("recipe", "of a cake")
    study.add_trial(
        optuna.trial.create_trial(value=1.0, user_attrs={"schedule": "daily", "key": "C"})
    )
    shown = DashboardStorage(study._storage)
    (trial,) = shown.get_all_trials(study._study_id)
    assert trial.user_attrs == {"schedule": "daily", "key": "C"}
    assert shown.get_study_user_attrs(study._study_id) == {"recipe": "of a cake"}


def test_what_the_dashboard_writes_goes_to_the_study():
    study = FakeStudy().study
    running = study.ask()
    shown = DashboardStorage(study._storage)
    shown.set_trial_user_attr(running._trial_id, "mine", 1)
    assert study.trials[0].user_attrs == {"mine": 1}
    assert shown.get_trial(running._trial_id).user_attrs == {"mine": 1}
