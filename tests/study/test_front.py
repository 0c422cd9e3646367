import math
import subprocess
import sys

import pytest
from optuna.trial import TrialState, create_trial

from progsearch.config.limits import Limits
from progsearch.costs import RunCost
from progsearch.errors import StudyError
from progsearch.study.front import front_of, pick
from progsearch.study.trial import Trial
from tests.support.fake_study import FakeStudy


def trials_of(*points, names=None, states=None, reasons=None):
    """Trials with these values; a reference's name or another state by its position.

    The last value is what a trial updates of the parameters.
    """
    made = []
    for number, values in enumerate(points):
        state = (states or {}).get(number, TrialState.COMPLETE)
        attrs = {"costs": RunCost(4, 100, 50.0, 150.0, values[-1], 1e9, 0.5).to_dict()}
        if names and number in names:
            attrs["name"] = names[number]
        if reasons and number in reasons:
            attrs["reason"] = reasons[number]
        complete = state == TrialState.COMPLETE
        trial = create_trial(state=state, values=values if complete else None, user_attrs=attrs)
        trial.number = number
        made.append(Trial(trial))
    return made


# full fine-tuning, a better one, a knee, a cheap one, one that is beaten
POINTS = [(0.80, 1.0), (0.82, 0.6), (0.79, 0.2), (0.60, 0.01), (0.70, 0.9)]


def test_the_front_is_sorted_by_the_metric_and_holds_no_failed_or_pruned_trial():
    states = {5: TrialState.FAIL, 6: TrialState.PRUNED, 7: TrialState.RUNNING}
    trials = trials_of(*POINTS, (0.99, 0.0), (0.99, 0.0), (0.99, 0.0), states=states)
    assert [trial.number for trial in front_of(trials)] == [1, 2, 3]


def test_a_complete_trial_with_an_infinite_value_is_not_on_the_front():
    assert front_of(trials_of((math.inf, 0.1), (0.5, 0.5)))[0].number == 1


@pytest.mark.parametrize(
    ("how", "number"),
    [
        ("best", 1),
        ("knee", 2),
        ("cheapest@0.01", 2),
        ("cheapest@1pt", 2),
        ("cheapest@0.5pt", 1),
        ("cheapest@0", 1),
        ("cheapest@20pt", 3),
        ("cheapest@.2", 3),
        ("4", 4),
        ("#4", 4),
        ("0", 0),
        ("full", 0),
    ],
)
def test_pick(how, number):
    assert pick(trials_of(*POINTS, names={0: "full"}), how).number == number


def test_without_full_fine_tuning_the_drop_counts_from_the_best():
    trials = trials_of(*POINTS)
    assert pick(trials, "cheapest@1pt").number == 1
    assert pick(trials, "cheapest@3pt").number == 2


def test_a_failed_full_fine_tuning_is_no_measure():
    trials = trials_of(*POINTS, names={0: "full"}, states={0: TrialState.FAIL})
    assert pick(trials, "cheapest@1pt").number == 1


def test_the_cheapest_of_a_study_of_the_metric_alone_has_the_fewest_updated_parameters():
    fake = FakeStudy(objectives=("metric",))
    fake.baselines()
    trial = pick(fake.trials, "cheapest@5pt")
    assert trial.name == "last-quarter"


@pytest.mark.parametrize(
    "how", ["cheapest", "cheapest@", "cheapest@-1", "cheapest@1kg", "cheapest@x"]
)
def test_a_drop_that_is_no_number_is_refused_with_an_example(how):
    with pytest.raises(StudyError, match=r"write cheapest@0.01 or cheapest@1pt"):
        pick(trials_of(*POINTS), how)


@pytest.mark.parametrize("how", ["", "kneee", "-1", "1.5", "progtuning-3"])
def test_an_unknown_rule_is_refused_with_the_rules_there_are(how):
    with pytest.raises(StudyError, match=r"give knee, best, cheapest@DROP .*\(full\)"):
        pick(trials_of(*POINTS, names={0: "full"}), how)


def test_a_trial_that_does_not_exist_is_refused():
    with pytest.raises(StudyError, match="no trial 12; this study has trials 0 to 4"):
        pick(trials_of(*POINTS), "12")


def test_a_failed_trial_cannot_be_picked_and_the_reason_is_told():
    reasons = {4: "the loss is not a number"}
    trials = trials_of(*POINTS, states={4: TrialState.FAIL}, reasons=reasons)
    with pytest.raises(
        StudyError, match="trial 4 .failed. has no result: the loss is not a number"
    ):
        pick(trials, "4")


@pytest.mark.parametrize("how", ["knee", "0", "cheapest@1pt"])
def test_nothing_can_be_picked_where_every_trial_failed(how):
    with pytest.raises(StudyError, match="no trial of this study has a result"):
        pick(trials_of((0.5, 0.5), states={0: TrialState.FAIL}), how)


def test_fronts_and_configs_need_no_heavy_library():
    code = (
        "import sys, progsearch.study.front, progsearch.schedule.files\n"
        "print([m for m in ('torch', 'ray', 'transformers', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_drop_in_per_cent_is_one_in_points():
    trials = trials_of((0.9, 1.0), (0.895, 0.4), (0.7, 0.1), names={0: "full"})
    assert [pick(trials, f"cheapest@{drop}").number for drop in ("1%", "1pt", "0.01")] == [1] * 3


def test_rules_pick_within_the_limits():
    trials = trials_of((0.9, 1.0), (0.85, 0.4), (0.7, 0.1), names={0: "full"})
    assert pick(trials, "best", Limits(max_updated=0.5)).number == 1
    assert pick(trials, "cheapest@0.5", Limits(min_metric=0.8)).number == 1
    assert pick(trials, "2", Limits(min_metric=0.8)).number == 2  # named, so taken
    with pytest.raises(StudyError, match="at most 5 % updated parameters"):
        pick(trials, "knee", Limits(max_updated=0.05))
    with pytest.raises(StudyError, match="allow a larger drop"):
        pick(trials, "cheapest@1pt", Limits(max_updated=0.5))
