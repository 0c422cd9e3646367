import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progsearch.study.dominance import directions, hypervolume, knee, non_dominated

MAX_MIN = directions(2)


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
    hits, n = 0, 20_000
    for _ in range(n):
        a, b, c = draw.random(), draw.random(), draw.random()
        hits += any(p[0] >= a and p[1] <= b and p[2] <= c for p in points)
    # Four standard errors of the estimate at most.
    assert hypervolume(points, (0.0, 1.0, 1.0), directions(3)) == pytest.approx(
        hits / n, abs=0.015
    )


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
    assert knee(front, directions(3)) == 1
