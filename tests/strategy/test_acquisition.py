import numpy as np
import pytest
from scipy.stats import norm

from progsearch.strategy.acquisition import expected_improvement, learned, repeat_improvement
from progsearch.study.dominance import directions, hypervolume

CORNER = (0.5, 1.0)


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


# -- what a noisy run can show ---------------------------------------------------------------


def test_a_run_without_noise_tells_all_that_is_unknown():
    deviations = np.array([0.1, 0.02, 0.0])
    assert learned(deviations, np.zeros(3)) == pytest.approx(deviations)


def test_a_very_noisy_run_tells_nothing():
    assert learned(np.array([0.1, 0.02]), np.full(2, 1e6)) == pytest.approx([0.0, 0.0], abs=1e-7)


def test_a_run_moves_the_mean_as_far_as_its_posterior_says():
    """Against simulated runs of metrics that are drawn from what is known."""
    rng = np.random.default_rng(0)
    deviation, noise = 0.1, 0.05
    truths = rng.normal(0.7, deviation, 100_000)
    runs = rng.normal(truths, noise)
    after = 0.7 + deviation**2 / (deviation**2 + noise**2) * (runs - 0.7)
    found = learned(np.array([deviation]), np.array([noise]))
    assert found[0] == pytest.approx(after.std(), rel=0.01)


# -- repeats ---------------------------------------------------------------------------------


def test_the_gain_of_a_repeat_is_that_of_the_hypervolume():
    """Against the mean of the hypervolume's growth over many repeats that may come."""
    rng = np.random.default_rng(1)
    means = np.array([0.80, 0.79, 0.78, 0.70, 0.785, 0.60])
    costs = np.array([[1.0], [0.8], [0.5], [0.1], [0.55], [0.7]])
    deviations = np.array([0.01, 0.02, 0.005, 0.03, 0.01, 0.01])
    noise = np.array([0.01, 0.01, 0.02, 0.03, 0.005, 0.01])
    corner, ways = (0.5, 1.2), directions(2)
    found = repeat_improvement(means, learned(deviations, noise), costs, corner)

    before = hypervolume([*zip(means, costs[:, 0], strict=True)], corner, ways)
    for index, value in enumerate(found):
        growths = []
        truths = rng.normal(means[index], deviations[index], 1500)
        weight = deviations[index] ** 2 / (deviations[index] ** 2 + noise[index] ** 2)
        for run in rng.normal(truths, noise[index]):
            moved = means.copy()
            moved[index] += weight * (run - means[index])
            front = [*zip(moved, costs[:, 0], strict=True)]
            growths.append((hypervolume(front, corner, ways) - before) / corner[1])
        error = np.std(growths) / np.sqrt(len(growths))
        assert value == pytest.approx(np.mean(growths), abs=4 * error + 1e-6)


def test_a_repeat_far_below_the_front_gains_nothing():
    means, costs = np.array([0.8, 0.79, 0.6]), np.array([[0.5], [0.45], [0.6]])
    gains = repeat_improvement(means, np.full(3, 0.01), costs, CORNER)
    assert gains[2] == pytest.approx(0.0, abs=1e-12)
    assert min(gains[:2]) > 1e-4


def test_a_repeat_of_what_stands_alone_gains_nothing():
    """Whatever it shows, it stays on the front, and its height is right in the mean."""
    means, costs = np.array([0.9, 0.7]), np.array([[0.9], [0.1]])
    gains = repeat_improvement(means, np.full(2, 0.01), costs, CORNER)
    assert gains == pytest.approx([0.0, 0.0], abs=1e-9)


def test_a_repeat_without_anything_to_learn_gains_nothing():
    means, costs = np.array([0.8, 0.79]), np.array([[0.5], [0.45]])
    assert repeat_improvement(means, np.zeros(2), costs, CORNER) == pytest.approx([0.0, 0.0])
