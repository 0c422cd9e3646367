import numpy as np
import pytest

from progsearch.strategy.surrogate import Observation, Surrogate

# A run's features end with the decimal logarithm of its learning rate.
RATES = tuple(np.log10([2.5e-5, 5e-5, 1e-4, 2e-4]))


def seen(points, metrics):
    """Observations of one trial for each different point."""
    trials = {tuple(point): number for number, point in enumerate(points)}
    return [
        Observation(np.array(p), float(m), trial=trials[tuple(p)])
        for p, m in zip(points, metrics, strict=True)
    ]


def rising(n=12):
    """A metric that rises with the first feature."""
    xs = np.linspace(0, 1, n)
    return seen([(x, 0.0) for x in xs], 0.6 + 0.3 * xs)


def test_the_surrogate_follows_what_it_has_seen():
    means, deviations = Surrogate(rising()).predict([np.array([0.5, 0.0]), np.array([0.5, 9.0])])
    assert means[0] == pytest.approx(0.75, abs=0.02)
    assert deviations[0] < deviations[1] / 3


def test_a_value_that_is_itself_predicted_weighs_less():
    points = [Observation(np.array([0.0]), 0.6), Observation(np.array([1.0]), 0.8)] * 3
    doubtful = [*points, Observation(np.array([0.5]), 0.2, 0.5)]
    certain = [*points, Observation(np.array([0.5]), 0.2)]
    at = [np.array([0.5])]
    assert Surrogate(certain).predict(at)[0] < Surrogate(doubtful).predict(at)[0] - 0.1


def test_equal_metrics_are_no_trouble():
    means, deviations = Surrogate(seen([(0.5, 0.0)] * 6, [0.7] * 6)).predict(
        [np.array([0.5, 0.0]), np.array([0.2, 0.0])]
    )
    assert means == pytest.approx([0.7, 0.7])
    assert np.isfinite(deviations).all()


def spread(points, n_seeds, noise, rng, truth=lambda point: 0.7):
    """Runs of each point with several seeds; the deviation of the noise follows the point."""
    repeated = [point for point in points for _ in range(n_seeds)]
    return seen(repeated, [truth(p) + noise(p) * rng.standard_normal() for p in repeated])


def test_the_noise_is_what_repeats_show():
    rng = np.random.default_rng(0)
    points = [(x, RATES[1]) for x in np.linspace(0, 1, 12)]
    observed = spread(points, 3, lambda _: 0.01, rng, lambda p: 0.6 + 0.3 * p[0])
    metrics = np.array([o.metric for o in observed]).reshape(12, 3)
    pooled = np.sqrt(metrics.var(axis=1, ddof=1).mean())
    found = Surrogate(observed).noise([np.array(point) for point in points])
    assert found == pytest.approx(pooled, rel=1e-6)
    assert found[0] == pytest.approx(0.01, rel=0.4)


def test_a_few_repeats_decide_nothing_alone():
    """Two runs that happen to agree do not make all runs certain."""
    rng = np.random.default_rng(1)
    points = [(x, RATES[1]) for x in np.linspace(0, 1, 12)]
    observed = spread(points, 1, lambda _: 0.05, rng, lambda p: 0.6 + 0.1 * p[0])
    twice = [*observed, observed[0]]
    assert Surrogate(twice).noise([np.array(points[0])])[0] > 0.005


def test_noise_that_grows_with_the_learning_rate_is_recognised():
    """Five times the spread at eight times the lowest rate."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points = [(x, rate) for rate in RATES for x in (0.0, 0.3, 0.6, 0.9)]
        growth = np.log10(5) / (RATES[-1] - RATES[0])
        observed = spread(
            points,
            3,
            lambda p, growth=growth: 0.004 * 10 ** (growth * (p[1] - RATES[0])),
            rng,
            lambda p: 0.7 + 0.05 * p[0],
        )
        low, high = Surrogate(observed).noise([np.array([0.3, r]) for r in (RATES[0], RATES[-1])])
        found.append(high / low)
    assert min(found) > 1
    assert 2.5 < np.median(found) < 10


def test_noise_that_does_not_grow_is_mostly_seen_as_such():
    grows = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points = [(x, rate) for rate in RATES for x in (0.0, 0.3, 0.6, 0.9)]
        observed = spread(points, 3, lambda _: 0.01, rng, lambda p: 0.7 + 0.05 * p[0])
        low, high = Surrogate(observed).noise([np.array([0.3, r]) for r in (RATES[0], RATES[-1])])
        grows += high > 1.01 * low
    assert grows <= 6


def test_equal_schedules_are_not_told_apart_more_often_than_stated():
    """A front of equal schedules: the intervals of their estimates hold the common truth.

    Nor is one of two called better than the other more often than an interval of 95 % allows.
    """
    truth, n_schedules = 0.75, 12
    covered, better = [], []
    for study in range(200):
        rng = np.random.default_rng(study)
        points = [(*rng.random(4), RATES[rng.integers(4)]) for _ in range(n_schedules)]
        observed = spread(points, 3, lambda _: 0.02, rng, lambda _: truth)
        numbers = list(dict.fromkeys(o.trial for o in observed))
        means, deviations = Surrogate(observed).predict(
            [np.array(point) for point in points], numbers
        )
        covered.append(np.abs(means - truth) <= 1.96 * deviations)
        # The difference of each pair, as if they were independent.
        first, second = np.triu_indices(n_schedules, 1)
        errors = np.hypot(deviations[first], deviations[second])
        better.append(np.abs(means[first] - means[second]) > 1.96 * errors)
    assert np.mean(covered) >= 0.9
    assert np.mean(better) <= 0.05


def test_trials_with_the_same_features_are_told_apart_by_their_repeats():
    """As two ranks of LoRA, or blocks 1 and 2 of 24: the map of what is trained is too coarse."""
    rng = np.random.default_rng(0)
    point = np.array([0.5, RATES[1]])
    observed = [
        Observation(point, mean + rng.normal(0, 0.01), trial=number)
        for number, mean in enumerate((0.70, 0.80))
        for _ in range(5)
    ]
    observed += [
        Observation(np.array([x, RATES[1]]), 0.75 + rng.normal(0, 0.01), trial=2 + n)
        for n, x in enumerate(np.linspace(0, 1, 6))
    ]
    means, deviations = Surrogate(observed).predict([point, point, point], [0, 1, 99])
    assert means[0] == pytest.approx(0.70, abs=0.02)
    assert means[1] == pytest.approx(0.80, abs=0.02)
    assert means[0] < means[2] < means[1]
    assert deviations[2] > 2 * deviations[0]
