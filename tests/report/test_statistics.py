"""Against scipy's own, on fixed numbers."""

import numpy as np
import pytest
from scipy import stats

from progsearch.report.statistics import Difference, difference, holm, summary, verdict

FULL = [0.8088, 0.7966, 0.8235, 0.8113, 0.7990]
OTHER = [0.8064, 0.8015, 0.8162, 0.8186, 0.8039]
POOR = [0.7010, 0.6838, 0.7132, 0.6985, 0.6912]


def test_the_interval_of_a_mean_is_scipys_percentile_bootstrap():
    found = summary(FULL)
    theirs = stats.bootstrap(
        (FULL,), np.mean, method="percentile", n_resamples=9_999, rng=np.random.default_rng(0)
    )
    assert found.n == 5
    assert found.mean == pytest.approx(np.mean(FULL))
    assert found.sd == pytest.approx(stats.tstd(FULL))
    assert found.interval == pytest.approx(tuple(theirs.confidence_interval), abs=1e-12)
    assert summary(FULL) == found


def test_one_value_has_no_spread():
    found = summary([0.8])
    assert (found.n, found.mean, found.sd, found.interval) == (1, 0.8, None, None)


def test_equal_values_show_no_interval():
    found = summary([0.7, 0.1 + 0.6, 0.7])
    assert (found.n, found.sd, found.interval) == (3, 0.0, None)


@pytest.mark.parametrize("values", [OTHER, POOR])
@pytest.mark.parametrize("margin", [0.005, 0.01, 0.1])
def test_the_paired_difference_is_scipys_t_test(values, margin):
    found = difference(values, FULL)
    shifted = np.subtract(values, FULL)
    theirs = stats.ttest_rel(values, FULL).confidence_interval(0.95)
    assert found.mean == pytest.approx(shifted.mean())
    assert found.interval == pytest.approx((theirs.low, theirs.high))
    test = stats.ttest_1samp(shifted, -margin, alternative="greater")
    assert found.p_non_inferior(margin) == pytest.approx(test.pvalue, rel=1e-9)


def test_pairing_takes_the_seeds_own_share_away():
    """Seeds that lift both schedules alike say nothing of their difference."""
    seeds = np.array([0.70, 0.75, 0.80, 0.85])
    shifts = np.array([0.001, 0.002, 0.001, 0.002])
    found = difference([*(seeds + shifts)], [*seeds])
    assert found.p_non_inferior(0.01) < 1e-4
    unpaired = stats.ttest_ind(seeds, seeds - 0.01, alternative="greater").pvalue
    assert unpaired > 0.4


@pytest.mark.parametrize(
    ("values", "others"),
    [
        ([0.8], [0.7]),
        ([0.8, 0.9], [0.8, 0.9]),
        # 0.1 apart each, but for rounding.
        ([0.8, 0.9, 0.7], [0.7, 0.8, 0.6]),
    ],
)
def test_without_spread_there_is_no_test(values, others):
    found = difference(values, others)
    assert found.mean == pytest.approx(values[0] - others[0])
    assert found.interval is None
    assert found.p_non_inferior(0.01) is None
    assert verdict(found, 0.01, None) == "inconclusive"


def power(n, sd, margin, level):
    """Of the one-sided t-test of n differences around 0, by scipy's distribution."""
    critical = stats.t.ppf(1 - level, n - 1)
    return stats.nct.sf(critical, n - 1, margin / sd * n**0.5)


@pytest.mark.parametrize("n_tests", [1, 8])
@pytest.mark.parametrize("margin", [0.005, 0.01])
def test_the_seeds_to_tell_are_the_fewest_of_enough_power(n_tests, margin):
    found = difference(OTHER, FULL)
    sd = np.std(np.subtract(OTHER, FULL), ddof=1) * (4 / stats.chi2.ppf(0.2, 4)) ** 0.5
    needed = found.seeds_to_tell(margin, n_tests)
    assert power(needed, sd, margin, 0.05 / n_tests) >= 0.8
    assert power(needed - 1, sd, margin, 0.05 / n_tests) < 0.8


def test_the_seeds_to_tell_are_enough_in_four_of_five_cases():
    """Those that five seeds ask for, held against the spread that they were drawn from."""
    drawn = np.random.default_rng(0).normal(0, 0.01, (400, 5))
    needed = [difference(row, 0 * row).seeds_to_tell(0.01, 1) for row in drawn]
    enough = [power(n, 0.01, 0.01, 0.05) >= 0.8 for n in needed]
    assert np.mean(enough) == pytest.approx(0.8, abs=0.05)


def test_no_number_of_seeds_is_given_where_none_is_known_or_it_is_out_of_reach():
    assert difference([0.8], [0.7]).seeds_to_tell(0.01, 1) is None
    assert difference([0.9, 0.1, 0.5], [0.1, 0.9, 0.5]).seeds_to_tell(0.001, 1) is None


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, and never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_counts_tests_only():
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]
    assert holm([None]) == [None]


def test_holm_rejects_nothing_that_bonferroni_keeps_and_no_less():
    drawn = np.random.default_rng(1).random((200, 6)) ** 3
    for p_values in drawn:
        corrected = np.array(holm(list(p_values)))
        assert (corrected <= np.minimum(1, p_values * 6) + 1e-12).all()
        assert (corrected >= p_values).all()
        assert (np.diff(corrected[np.argsort(p_values)]) >= 0).all()


def test_verdicts():
    near = difference(OTHER, FULL)
    assert verdict(near, 0.01, near.p_non_inferior(0.01)) == "non-inferior"
    # The same difference, corrected for many comparisons.
    assert verdict(near, 0.01, 0.2) == "inconclusive"
    poor = difference(POOR, FULL)
    assert verdict(poor, 0.01, poor.p_non_inferior(0.01)) == "inferior"
    assert verdict(poor, 0.2, poor.p_non_inferior(0.2)) == "non-inferior"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.03, -0.011, "inferior"), (-0.03, -0.01, "inconclusive"), (-0.03, 0.1, "inconclusive")],
)
def test_inferior_only_where_the_whole_interval_is_beyond_the_margin(low, high, expected):
    assert verdict(Difference(3, (low + high) / 2, (low, high)), 0.01, 1.0) == expected
