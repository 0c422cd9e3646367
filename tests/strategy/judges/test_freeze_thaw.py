from progsearch.strategy.judges import Curve, Evidence, FreezeThaw, Promise

TRIAL = Curve(9, (0.5,), {0.5: 0.7})


def promising(trials, waiting):
    return Evidence(promises=lambda asked: Promise(trials, waiting))


def test_a_trial_goes_on_unless_a_waiting_point_promises_twice_as_much():
    assert FreezeThaw().stops(TRIAL, promising([0.9], 2.0))
    assert not FreezeThaw().stops(TRIAL, promising([1.1], 2.0))


def test_nothing_is_stopped_as_long_as_nothing_is_known():
    assert not FreezeThaw().stops(TRIAL, Evidence())
    assert FreezeThaw().takes_up([TRIAL], Evidence()) is None


def test_equal_promises_change_nothing():
    """A trial at the very border is neither stopped nor taken up: it would go back and forth."""
    for figures in ([1.0], 2.0), ([0.0], 0.0):
        assert not FreezeThaw().stops(TRIAL, promising(*figures))
        assert FreezeThaw().takes_up([TRIAL], promising(*figures)) is None


def test_the_stopped_trial_that_promises_most_is_taken_up_if_it_is_enough():
    stopped = [Curve(n, (0.5,), {0.5: 0.7}) for n in (4, 5, 6)]
    assert FreezeThaw().takes_up(stopped, promising([0.1, 1.2, 1.1], 2.0)) == 5
    assert FreezeThaw().takes_up(stopped, promising([0.1, 0.9, 0.8], 2.0)) is None
