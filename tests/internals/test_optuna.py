"""Each use of something that Optuna does not promise; what fails here, an upgrade has moved."""

import json

import optuna
from optuna.distributions import FloatDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from progsearch.internals.optuna import ADDS_TRIAL, cached, set_constraints


def running_study():
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(create_trial(values=[0.5, 0.5]))
    study.add_trial(
        create_trial(
            state=TrialState.RUNNING,
            params={"x": 0.5},
            distributions={"x": FloatDistribution(0, 1)},
        )
    )
    return study


def test_an_unfinished_trial_can_be_given_constraints():
    study = running_study()
    set_constraints(study, 1, {"max_updated": 0.2, "min_metric": -0.1})
    study.tell(1, [0.6, 0.4])
    assert study.trials[1].constraints == {"max_updated": 0.2, "min_metric": -0.1}
    assert study.trials[0].constraints == {}


def test_without_limits_a_trial_has_no_constraints():
    study = running_study()
    set_constraints(study, 1, {})
    study.tell(1, [0.6, 0.4])
    assert study.trials[1].constraints == {}


def test_a_finished_trial_is_read_once(tmp_path):
    storage = cached(optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/trials.db"))
    study = optuna.create_study(storage=storage)
    study.add_trial(create_trial(value=0.5))
    assert (
        storage.get_all_trials(study._study_id, deepcopy=False)[0]
        is (storage.get_all_trials(study._study_id, deepcopy=False)[0])
    )


def test_a_line_of_a_journal_says_that_it_adds_a_trial(tmp_path):
    journal = tmp_path / "journal.log"
    backend = JournalFileBackend(str(journal))
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend))
    before = len(journal.read_text().splitlines())
    study.add_trial(create_trial(value=0.5))
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    codes = [line["op_code"] == ADDS_TRIAL for line in lines]
    assert codes == [False] * before + [True] * (len(codes) - before)
