import random

import pytest

from progsearch.strategy.judges import Curve, Dominance, Evidence
from progsearch.strategy.judges.dominance import predict


def finished(number, cost, now, final, **more):
    return Curve(number, (cost,), {0.5: now, 1.0: final}, final, **more)


def running(cost, now):
    return Curve(99, (cost,), {0.5: now})


# Every curve gains 0.1 from the middle to the end, give or take 0.002.
NOISE = (0.002, -0.002, 0.001, -0.001, 0.0, 0.0)
FINISHED = [
    finished(n, cost, now, now + 0.1 + NOISE[n])
    for n, (cost, now) in enumerate([(1, 0.8), (0.8, 0.79), (0.6, 0.76), (0.4, 0.7), (0.2, 0.6)])
]


def test_a_trial_that_falls_behind_one_that_costs_no_more_is_stopped():
    assert Dominance().stops(running(0.7, 0.70), Evidence(FINISHED))
    assert Dominance().stops(running(1.0, 0.75), Evidence(FINISHED))


def test_a_trial_that_is_ahead_at_its_cost_goes_on():
    assert not Dominance().stops(running(0.7, 0.78), Evidence(FINISHED))
    assert not Dominance().stops(running(0.1, 0.3), Evidence(FINISHED)), "nothing is as cheap"


def test_a_trial_within_the_noise_goes_on():
    assert not Dominance().stops(running(0.6, 0.759), Evidence(FINISHED))
    noisy = [finished(n, 1, 0.5 + 0.01 * n, 0.7 + 0.1 * (n % 2)) for n in range(8)]
    assert not Dominance().stops(running(1, 0.5), Evidence(noisy))


def test_what_was_measured_at_another_step_says_nothing():
    others = [Curve(n, (0.1,), {0.25: 0.9, 1.0: 0.95}, 0.95) for n in range(8)]
    assert not Dominance().stops(running(1.0, 0.2), Evidence(others))


def test_between_two_measurements_the_others_are_read_off_a_line():
    others = [
        Curve(n, (0.5,), {0.25: now, 0.75: now + 0.2, 1.0: now + 0.25}, now + 0.25 + NOISE[n])
        for n, now in enumerate((0.5, 0.52, 0.54, 0.56, 0.58, 0.6))
    ]
    assert others[0].at(0.5) == pytest.approx(0.6)
    assert others[0].at(0.2) is None and Curve(1, (1,), {0.5: 0.5}).at(0.6) is None
    mean, deviation = predict(running(1.0, 0.66), others)
    assert mean == pytest.approx(0.81, abs=0.003) and deviation < 0.005
    assert Dominance().stops(running(1.0, 0.62), Evidence(others))
    assert not Dominance().stops(running(1.0, 0.72), Evidence(others))


def test_few_trials_say_nothing():
    assert not Dominance().stops(running(1.0, 0.1), Evidence(FINISHED[:3]))


def test_trials_beyond_the_limits_are_no_rivals_and_a_limit_is_one():
    beyond = [
        finished(n, 0.1, 0.5 + n / 10, 0.6 + n / 10 + NOISE[n], allowed=False) for n in range(5)
    ]
    assert not Dominance().stops(running(1.0, 0.5), Evidence(beyond))
    assert Dominance().stops(running(1.0, 0.5), Evidence(beyond, least_metric=0.95))


def test_equal_curves_and_equal_costs_are_no_reason_to_stop():
    same = [finished(n, 1, 0.7, 0.8) for n in range(6)]
    assert not Dominance().stops(running(1, 0.7), Evidence(same))
    assert predict(running(1, 0.7), same) == pytest.approx((0.8, 0.0))
    assert predict(running(1, 0.6), same) is None, "nothing says what a difference comes to"


def test_with_two_costs_a_rival_must_be_as_cheap_in_both():
    others = [
        Curve(n, (0.2, 2.0), {0.5: 0.3 + n / 10, 1.0: 0.4 + n / 10}, 0.4 + n / 10)
        for n in range(6)
    ]
    assert not Dominance().stops(Curve(99, (0.5, 1.0), {0.5: 0.3}), Evidence(others))
    assert Dominance().stops(Curve(99, (0.5, 2.0), {0.5: 0.3}), Evidence(others))


def test_a_prediction_is_as_wrong_as_it_says():
    draw = random.Random(0)
    inside = 0
    for _ in range(300):
        others = [
            finished(n, 1, now := draw.uniform(0.6, 0.8), 0.3 + 0.7 * now + draw.gauss(0, 0.01))
            for n in range(12)
        ]
        now = draw.uniform(0.6, 0.8)
        mean, deviation = predict(running(1, now), others)
        inside += abs(0.3 + 0.7 * now + draw.gauss(0, 0.01) - mean) < 2 * deviation
    assert 0.88 < inside / 300 < 0.98
