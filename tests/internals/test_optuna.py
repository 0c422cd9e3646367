"""Each use of something that Optuna does not promise; what fails here, an upgrade has moved."""

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from progsearch.internals.optuna import set_constraints


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
