import pytest
from optuna.trial import create_trial

from progsearch.strategy.plateau import is_plateau
from progsearch.study.trial import Trial

OBJECTIVES = ("metric", "updated_parameters")


def trials_of(*points):
    made = [create_trial(values=point) for point in points]
    for number, trial in enumerate(made):
        trial.number = number
    return [Trial(trial) for trial in made]


@pytest.mark.parametrize(
    "last, expected",
    [
        ((0.75, 0.5), True),  # beaten
        ((0.8, 0.5), True),  # as good as one that is there
        ((0.81, 0.5), False),
        ((0.7, 0.1), False),  # cheaper than all
        ((0.6, 0.1), True),  # cheaper than all, but below a constant prediction
    ],
)
def test_a_plateau_is_where_the_last_trial_adds_no_hypervolume(last, expected):
    trials = trials_of((0.85, 1.0), (0.8, 0.5), last)
    assert is_plateau(trials, trials[-1:], OBJECTIVES, 0.65) is expected


def test_before_the_recent_trials_there_must_be_others():
    trials = trials_of((0.85, 1.0))
    assert not is_plateau(trials, trials, OBJECTIVES, 0.65)
