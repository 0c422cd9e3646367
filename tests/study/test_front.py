import math
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from progsearch.config.limits import Limits
from progsearch.errors import StudyError
from progsearch.study.front import front_of, hypervolume, knee, non_dominated, pick
from tests.support.fake_study import FakeStudy

MAX_MIN = ["maximize", "minimize"]


def trials_of(*points, names=None, states=None):
    """Trials with these values; a baseline's name or another state by its position."""
    made = []
    for number, values in enumerate(points):
        state = (states or {}).get(number, TrialState.COMPLETE)
        attrs = {"name": names[number]} if names and number in names else {}
        complete = state == TrialState.COMPLETE
        trial = create_trial(state=state, values=values if complete else None, user_attrs=attrs)
        trial.number = number
        made.append(trial)
    return made


# -- non_dominated ---------------------------------------------------------------------------


def test_a_point_that_another_beats_on_both_objectives_is_left_out():
    assert non_dominated([(0.8, 0.5), (0.7, 0.6), (0.9, 0.9), (0.6, 0.1)], MAX_MIN) == [0, 2, 3]


def test_directions_are_respected():
    points = [(1.0, 1.0), (2.0, 2.0)]
    assert non_dominated(points, ["minimize", "minimize"]) == [0]
    assert non_dominated(points, ["maximize", "maximize"]) == [1]


def test_of_equal_points_the_earliest_stays():
    assert non_dominated([(0.7, 0.9), (0.8, 0.5), (0.8, 0.5), (0.8, 0.5)], MAX_MIN) == [1]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None])
def test_points_without_a_number_are_neither_on_the_front_nor_beat_others(bad):
    assert non_dominated([(bad, 0.1), (0.5, bad), None, (0.5, 0.5)], MAX_MIN) == [3]


def test_nothing_gives_nothing():
    assert non_dominated([], MAX_MIN) == []


values_in_a_grid = st.integers(0, 4).map(float)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@given(data=st.data())
def test_the_front_covers_every_point_and_no_member_beats_another(n, data):
    points = data.draw(st.lists(st.tuples(*[values_in_a_grid] * n), min_size=1, max_size=12))
    front = [points[i] for i in non_dominated(points, ["minimize"] * n)]
    for point in points:
        assert any(all(a <= b for a, b in zip(f, point, strict=True)) for f in front)
    assert len(set(front)) == len(front)
    for a in front:
        for b in front:
            assert a == b or not all(x <= y for x, y in zip(a, b, strict=True))


# -- hypervolume -----------------------------------------------------------------------------


def test_hypervolume_of_two_steps():
    # 0.3 x 0.5 for the first, and what the second adds: 0.1 x 0.2.
    points = [(0.8, 0.5), (0.9, 0.8), (0.7, 0.9)]
    assert hypervolume(points, (0.5, 1.0), MAX_MIN) == pytest.approx(0.3 * 0.5 + 0.1 * 0.2)


def test_points_that_do_not_beat_the_reference_on_every_objective_add_nothing():
    assert hypervolume([(0.9, 1.0), (0.4, 0.1), (math.nan, 0.1)], (0.5, 1.0), MAX_MIN) == 0.0


def test_one_objective_is_the_distance_to_the_reference():
    assert hypervolume([(0.6,), (0.9,)], (0.5,), ["maximize"]) == pytest.approx(0.4)


@pytest.mark.parametrize("n", [2, 3, 4])
@given(data=st.data())
def test_hypervolume_counts_the_cells_of_a_grid(n, data):
    points = data.draw(st.lists(st.tuples(*[values_in_a_grid] * n), max_size=8))
    cells = 0
    for index in range(4**n):
        cell = [index // 4**axis % 4 for axis in range(n)]
        cells += any(all(x <= c for x, c in zip(p, cell, strict=True)) for p in points)
    assert hypervolume(points, (4.0,) * n, ["minimize"] * n) == pytest.approx(cells)


def test_hypervolume_in_three_dimensions_agrees_with_random_points():
    draw = random.Random(0)
    points = [(draw.random(), draw.random(), draw.random()) for _ in range(15)]
    directions = ["maximize", "minimize", "minimize"]
    hits, n = 0, 20_000
    for _ in range(n):
        a, b, c = draw.random(), draw.random(), draw.random()
        hits += any(p[0] >= a and p[1] <= b and p[2] <= c for p in points)
    # Four standard errors of the estimate at most.
    assert hypervolume(points, (0.0, 1.0, 1.0), directions) == pytest.approx(hits / n, abs=0.015)


def test_a_reference_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="must be finite"):
        hypervolume([(1.0,)], (math.nan,), ["minimize"])


# -- knee ------------------------------------------------------------------------------------


def test_the_knee_is_the_point_farthest_from_the_line_between_the_extremes():
    front = [(0.90, 1.0), (0.88, 0.3), (0.80, 0.2), (0.60, 0.0)]
    assert knee(front, MAX_MIN) == 1


def test_units_of_an_objective_do_not_move_the_knee():
    front = [(0.90, 1.0), (0.88, 0.3), (0.80, 0.2), (0.60, 0.0)]
    scaled = [(metric, 1e15 * cost + 7) for metric, cost in front]
    assert knee(scaled, MAX_MIN) == knee(front, MAX_MIN)


def test_where_no_point_lies_below_the_line_the_knee_is_the_best_first_objective():
    assert knee([(0.6, 0.0), (0.9, 1.0)], MAX_MIN) == 1
    assert knee([(0.6, 0.0), (0.7, 0.9), (0.9, 1.0)], MAX_MIN) == 2


def test_a_front_of_one_point_is_its_own_knee():
    assert knee([(0.6, 0.0)], MAX_MIN) == 0


def test_the_knee_of_three_objectives():
    front = [(0.9, 1.0, 1.0), (0.85, 0.2, 0.1), (0.7, 0.1, 0.2), (0.5, 0.0, 0.0)]
    assert knee(front, ["maximize", "minimize", "minimize"]) == 1


# -- front_of and pick -----------------------------------------------------------------------

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
    trial = pick(fake.study.trials, "cheapest@5pt")
    assert trial.user_attrs["name"] == "last-quarter"


@pytest.mark.parametrize(
    "how", ["cheapest", "cheapest@", "cheapest@-1", "cheapest@1%", "cheapest@x"]
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
    trials = trials_of(*POINTS, states={4: TrialState.FAIL})
    trials[4].set_user_attr("reason", "the loss is not a number")
    with pytest.raises(StudyError, match="trial 4 is FAIL .*the loss is not a number"):
        pick(trials, "4")


@pytest.mark.parametrize("how", ["knee", "0", "cheapest@1pt"])
def test_nothing_can_be_picked_where_every_trial_failed(how):
    with pytest.raises(StudyError, match="no trial of this study has finished"):
        pick(trials_of((0.5, 0.5), states={0: TrialState.FAIL}), how)


def test_fronts_and_configs_need_no_heavy_library():
    code = (
        "import sys, progsearch.study.front, progsearch.schedule.files\n"
        "print([m for m in ('torch', 'ray', 'transformers', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rules_pick_within_the_limits():
    trials = trials_of((0.9, 1.0), (0.85, 0.4), (0.7, 0.1), names={0: "full"})
    for trial in trials:
        trial.set_user_attr("costs", {"updated_parameters": trial.values[1]})
    assert pick(trials, "best", Limits(max_updated=0.5)).number == 1
    assert pick(trials, "cheapest@0.5", Limits(min_metric=0.8)).number == 1
    assert pick(trials, "2", Limits(min_metric=0.8)).number == 2  # named, so taken
    with pytest.raises(StudyError, match="at most 5 % updated parameters"):
        pick(trials, "knee", Limits(max_updated=0.05))
    with pytest.raises(StudyError, match="allow a larger drop"):
        pick(trials, "cheapest@1pt", Limits(max_updated=0.5))
