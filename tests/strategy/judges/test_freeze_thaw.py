from progsearch.strategy.judges import Curve, Evidence, ExpectedGains, FreezeThaw

TRIAL = Curve(9, (0.5,), {0.5: 0.7})


def expecting(trials, waiting):
    return Evidence(gains=lambda asked: ExpectedGains(trials, waiting))


def test_a_trial_goes_on_unless_a_candidate_is_expected_to_gain_twice_as_much():
    assert FreezeThaw().stops(TRIAL, expecting([0.9], 2.0))
    assert not FreezeThaw().stops(TRIAL, expecting([1.1], 2.0))


def test_nothing_is_stopped_as_long_as_nothing_is_known():
    assert not FreezeThaw().stops(TRIAL, Evidence())
    assert FreezeThaw().resumes([TRIAL], Evidence()) is None


def test_equal_gains_change_nothing():
    """A trial at the very border is neither stopped nor resumed: it would go back and forth."""
    for figures in ([1.0], 2.0), ([0.0], 0.0):
        assert not FreezeThaw().stops(TRIAL, expecting(*figures))
        assert FreezeThaw().resumes([TRIAL], expecting(*figures)) is None


def test_the_stopped_trial_that_gains_most_is_resumed_if_it_is_enough():
    stopped = [Curve(n, (0.5,), {0.5: 0.7}) for n in (4, 5, 6)]
    assert FreezeThaw().resumes(stopped, expecting([0.1, 1.2, 1.1], 2.0)) == 5
    assert FreezeThaw().resumes(stopped, expecting([0.1, 0.9, 0.8], 2.0)) is None
