import pytest

from progsearch.config.limits import Limits
from progsearch.schedule.run_cost import RunCost


def costs(updated, memory=None):
    return RunCost(6, 1000, 1000 * updated, 3000 * updated, updated, 1e9, updated, memory)


@pytest.mark.parametrize(
    "limits, allowed",
    [
        (Limits(), True),
        (Limits(max_updated=0.5), True),
        (Limits(max_updated=0.49), False),
        (Limits(min_metric=0.8), True),
        (Limits(min_metric=0.81), False),
        (Limits(max_updated=0.5, min_metric=0.81), False),
        (Limits(max_memory=2**30), True),
        (Limits(max_memory=2**30 - 1), False),
    ],
)
def test_a_run_is_allowed_within_all_limits(limits, allowed):
    assert limits.allow(0.8, costs(0.5, memory=2**30)) is allowed


def test_what_a_schedule_costs_is_known_before_it_is_trained():
    assert Limits(max_updated=0.5).affordable(costs(0.5))
    assert not Limits(max_updated=0.5).affordable(costs(0.51))
    assert Limits().affordable(costs(1.0))
    assert Limits(max_memory=100).affordable(costs(1.0, memory=100))
    assert not Limits(max_memory=100).affordable(costs(1.0, memory=101))
    assert not Limits(max_memory=100).fits(costs(1.0, memory=101))


def test_memory_that_is_not_known_misses_no_limit():
    assert Limits(max_memory=100).affordable(costs(1.0))
    assert Limits(max_memory=100).allow(0.8, costs(1.0))


def test_violations_say_how_far_a_limit_is_missed():
    limits = Limits(max_updated=0.5, min_metric=0.85, max_memory=100)
    assert limits.violations(0.8, costs(0.4, memory=130)) == pytest.approx(
        {"max_updated": -0.1, "min_metric": 0.05, "max_memory": 30}
    )


def test_limits_in_words():
    assert str(Limits(max_updated=0.5, max_memory=16 * 2**30)) == (
        "at most 50 % updated parameters and a predicted peak memory of at most 16.0 GiB"
    )
