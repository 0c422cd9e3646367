"""The expected gain of a training for the front, per second."""

import numpy as np
import pytest

from progsearch.strategy.prospects import _gains, _Outlook, _Prospect
from progsearch.strategy.surrogate import Observation, Surrogate
from tests.support.fakes import finish, start

CORNER = (0.5, 1.0)


def observations(n=12):
    """A metric that rises with the first feature."""
    return [Observation(np.array([x, 0.0]), 0.6 + 0.3 * x) for x in np.linspace(0, 1, n)]


def rates(points, costs, seconds, known=None, front=((0.6, 0.5),), corner=CORNER):
    surrogate = Surrogate(observations() if known is None else known)
    metrics, *front_costs = np.array(front, dtype=float).T
    nothing = np.zeros(len(front))
    outlook = _Outlook(
        surrogate, [], metrics, nothing, nothing, np.array(front_costs).T, list(corner)
    )
    prospects = [
        _Prospect(np.array([x, 0.0]), cost, time)
        for x, cost, time in zip(points, costs, seconds, strict=True)
    ]
    return _gains(outlook, prospects)


def choose(points, costs, seconds, **given):
    return int(np.argmax(rates(points, [(cost,) for cost in costs], seconds, **given)))


def test_of_points_of_one_cost_the_better_metric_is_chosen():
    assert choose([0.1, 0.9, 0.5], [0.4] * 3, [1.0] * 3) == 1


def test_of_points_of_one_metric_the_cheaper_one_is_chosen():
    assert choose([0.5, 0.5], [0.4, 0.1], [1.0, 1.0]) == 1


def test_time_counts():
    assert choose([0.8, 0.9], [0.4, 0.4], [1.0, 5.0]) == 0


def test_a_point_that_could_only_be_beaten_is_not_chosen():
    assert choose([0.5, 1.0], [0.5, 0.05], [1.0, 5.0], front=[(0.9, 0.1)]) == 1


def test_equal_observations_are_no_trouble():
    same = [Observation(np.array([0.5, 0.0]), 0.7)] * 6
    assert choose([0.5, 0.2], [0.4, 0.3], [1.0, 1.0], known=same) == 1


def test_units_of_the_costs_make_no_difference():
    found = [
        rates(
            (0.2, 0.6, 0.9),
            [(0.3, 0.3 * unit), (0.5, 0.2 * unit), (0.9, 0.9 * unit)],
            [1.0] * 3,
            front=[(0.6, 0.5, 0.5 * unit)],
            corner=(0.5, 1.0, 1.0 * unit),
        )
        for unit in (1.0, 1e15)
    ]
    assert found[0] == pytest.approx(found[1])


def test_with_fewer_than_four_results_nothing_is_preferred(tmp_path):
    folder, source = start(tmp_path)
    prospects = source._repeats._prospects
    for n_results in range(5):
        trials = folder.trials()
        known = n_results >= 4
        assert set(prospects.estimates()) == set(range(n_results) if known else ())
        assert len(prospects.repeats(trials, [1.0] * n_results)) == n_results
        assert known or not any(prospects.repeats(trials, [1.0] * n_results))
        finish(source, source.next())


def test_the_gain_of_a_repeat_is_per_second(tmp_path):
    folder, source = start(tmp_path, budget=8)
    rng = np.random.default_rng(0)
    for _ in range(10):
        finish(source, source.next(), 0.7 + 0.02 * rng.standard_normal())
    prospects, trials = source._repeats._prospects, folder.trials()
    once = prospects.repeats(trials, [1.0] * len(trials))
    assert max(once) > 0
    assert prospects.repeats(trials, [4.0] * len(trials)) == pytest.approx([g / 4 for g in once])
