import numpy as np
import pytest
from scipy.stats import norm

from progsearch.strategy.acquisition import expected_improvement, improvement_per_second
from progsearch.strategy.surrogate import Observation, Surrogate
from progsearch.study.dominance import directions, hypervolume

CORNER = (0.5, 1.0)


def observations(n=12):
    """A metric that rises with the first feature."""
    return [Observation(np.array([x, 0.0]), 0.6 + 0.3 * x) for x in np.linspace(0, 1, n)]


def choose(points, costs, seconds, known=None, front=((0.6, 0.5),)):
    vectors = [np.array([x, 0.0]) for x in points]
    known = observations() if known is None else known
    rates = improvement_per_second(vectors, [(c,) for c in costs], seconds, known, front, CORNER)
    return int(np.argmax(rates))


def test_the_surrogate_follows_what_it_has_seen():
    means, deviations = Surrogate(observations()).predict(
        [np.array([0.5, 0.0]), np.array([0.5, 9.0])]
    )
    assert means[0] == pytest.approx(0.75, abs=0.02)
    assert deviations[0] < deviations[1] / 3


def test_a_value_that_is_itself_predicted_weighs_less():
    points = [Observation(np.array([0.0]), 0.6), Observation(np.array([1.0]), 0.8)] * 3
    doubtful = [*points, Observation(np.array([0.5]), 0.2, 0.5)]
    certain = [*points, Observation(np.array([0.5]), 0.2)]
    at = [np.array([0.5])]
    assert Surrogate(certain).predict(at)[0] < Surrogate(doubtful).predict(at)[0] - 0.1


def test_of_points_of_one_cost_the_better_metric_is_chosen():
    assert choose([0.1, 0.9, 0.5], [0.4] * 3, [1.0] * 3) == 1


def test_of_points_of_one_metric_the_cheaper_one_is_chosen():
    assert choose([0.5, 0.5], [0.4, 0.1], [1.0, 1.0]) == 1


def test_time_counts():
    assert choose([0.8, 0.9], [0.4, 0.4], [1.0, 5.0]) == 0


def test_a_point_that_could_only_be_beaten_is_not_chosen():
    front = [(0.9, 0.1)]
    assert choose([0.5, 1.0], [0.5, 0.05], [1.0, 5.0], front=front) == 1


def test_hardly_any_observation_predicts_nothing():
    points = [np.array([0.1, 0.0])]
    assert improvement_per_second(points, [(0.4,)], [1.0], observations(3), [], CORNER) is None


def test_equal_observations_are_no_trouble():
    same = [Observation(np.array([0.5, 0.0]), 0.7)] * 6
    assert choose([0.5, 0.2], [0.4, 0.3], [1.0, 1.0], known=same) == 1


def test_units_of_the_costs_make_no_difference():
    points = [np.array([x, 0.0]) for x in (0.2, 0.6, 0.9)]
    rates = [
        improvement_per_second(
            points,
            [(0.3, 0.3 * unit), (0.5, 0.2 * unit), (0.9, 0.9 * unit)],
            [1.0] * 3,
            observations(),
            [(0.6, 0.5, 0.5 * unit)],
            (0.5, 1.0, 1.0 * unit),
        )
        for unit in (1.0, 1e15)
    ]
    assert rates[0] == pytest.approx(rates[1])


@pytest.mark.parametrize("n_costs", [1, 2, 3])
def test_the_expected_improvement_is_that_of_the_hypervolume(n_costs):
    """Against the mean of the hypervolume's growth over many metrics that may come."""
    rng = np.random.default_rng(n_costs)
    # Costs far apart in size; some of the front lies outside the corner, some is equal.
    unit = 10.0 ** np.arange(n_costs) * 7
    front = [(0.4 + 0.5 * x, *(rng.random(n_costs) * unit * 1.1)) for x in rng.random(6)]
    front += [(front[0][0], *front[1][1:]), (0.3, *(0.1 * unit))]
    corner = (0.5, *unit)
    costs = np.concatenate([rng.random((5, n_costs)) * unit * 1.1, [front[2][1:]]])
    means, deviations = rng.normal(0.65, 0.1, 6), np.array([0.1, 0.03, 0.0, 0.2, 0.05, 0.05])
    found = expected_improvement(means, deviations, costs, front, corner)

    ways = directions(n_costs + 1)
    before = hypervolume(front, corner, ways)
    quantiles = norm.ppf((np.arange(800) + 0.5) / 800)
    for value, mean, deviation, cost in zip(found, means, deviations, costs, strict=True):
        gains = [
            hypervolume([*front, (metric, *cost)], corner, ways) - before
            for metric in mean + deviation * quantiles
        ]
        assert value == pytest.approx(np.mean(gains) / unit.prod(), rel=0.01, abs=2e-5)


def test_without_a_front_all_that_beats_the_corner_counts():
    found = expected_improvement(
        np.array([0.7, 0.4]), np.zeros(2), np.array([[0.25], [0.25]]), [], CORNER
    )
    assert found == pytest.approx([0.2 * 0.75, 0.0])
