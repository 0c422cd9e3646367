import pytest

from progsearch.config.limits import Limits


@pytest.mark.parametrize(
    "limits, allowed",
    [
        (Limits(), True),
        (Limits(max_updated=0.5), True),
        (Limits(max_updated=0.49), False),
        (Limits(min_metric=0.8), True),
        (Limits(min_metric=0.81), False),
        (Limits(max_updated=0.5, min_metric=0.81), False),
    ],
)
def test_a_run_is_allowed_within_all_limits(limits, allowed):
    assert limits.allow(0.8, 0.5) is allowed


def test_what_a_schedule_costs_is_known_before_it_is_trained():
    assert Limits(max_updated=0.5).affordable(0.5)
    assert not Limits(max_updated=0.5).affordable(0.51)
    assert Limits().affordable(1.0)


def test_violations_say_how_far_a_limit_is_missed():
    violations = Limits(max_updated=0.5, min_metric=0.85).violations(0.8, 0.4)
    assert violations == pytest.approx({"max_updated": -0.1, "min_metric": 0.05})
