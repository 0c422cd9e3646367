from progsearch.strategy.judges import Curve, Evidence, MoAsha
from progsearch.strategy.judges.mo_asha import epsilon_net, ranked


def at(number, cost, now, final=None):
    metrics = {0.5: now} if final is None else {0.5: now, 1.0: final}
    return Curve(number, (cost,), metrics, final)


def test_the_first_trial_of_a_rung_has_nobody_to_be_better_than():
    assert MoAsha().stops(at(0, 1, 0.9), Evidence())


def test_the_better_half_goes_on():
    others = [at(0, 0.5, 0.5), at(1, 0.5, 0.6), at(2, 0.5, 0.7)]
    assert MoAsha().stops(at(3, 0.5, 0.55), Evidence(others))
    assert not MoAsha().stops(at(3, 0.5, 0.65), Evidence(others))


def test_a_cheap_trial_is_as_good_as_an_accurate_one():
    others = [at(0, 1.0, 0.9), at(1, 0.9, 0.5), at(2, 0.8, 0.4)]
    assert not MoAsha().stops(at(3, 0.1, 0.3), Evidence(others))


def test_a_stopped_trial_is_resumed_when_it_comes_to_be_among_the_best():
    judge, stopped = MoAsha(), [at(0, 0.5, 0.7), at(1, 0.5, 0.6)]
    assert judge.resumes(stopped[:1], Evidence()) is None
    assert judge.resumes(stopped, Evidence()) == 0
    # What went on by itself holds its place of the rung.
    assert judge.resumes(stopped[1:], Evidence([at(0, 0.5, 0.7, 0.8)])) is None


def test_the_highest_rung_is_resumed_first():
    low = [at(n, 0.5, 0.5 + n / 10) for n in range(4)]
    high = [Curve(n, (0.5,), {0.5: 0.9, 0.75: 0.8 + n / 100}) for n in (4, 5)]
    assert MoAsha().resumes([*low, *high], Evidence()) == 5


def test_ranking_goes_front_by_front():
    points = [(0.5, 1.0), (0.9, 1.0), (0.8, 0.5), (0.7, 0.7), (0.8, 0.5)]
    order = ranked(points)
    assert set(order[:3]) == {1, 2, 4}
    assert order[3:] == [3, 0]


def test_an_epsilon_net_spreads_from_the_best_metric():
    assert epsilon_net([(0.1, 0.1), (0.5, 0.5), (0.9, 0.9), (0.8, 0.8)]) == [2, 0, 1, 3]
    assert epsilon_net([(0.5, 1.0), (0.5, 1.0)]) == [0, 1]
