import numpy as np
import pytest
from scipy import stats

from harness.statistics.paired import (
    PairedDifference,
    paired_difference,
    paired_difference_of_groups,
    two_sided_p_of_differences,
    upper_p_of_differences,
)


def test_a_case_solved_by_hand():
    # Differences -1, -2, -3: mean -2, sd 1, standard error 1 / sqrt(3), t = -3.4641 with 2 degrees of freedom.
    difference = paired_difference([1.0, 1.0, 1.0], [2.0, 3.0, 4.0])
    assert (difference.mean, difference.n) == (-2.0, 3)
    assert difference.low == pytest.approx(-2 - 4.30265 / 3**0.5, rel=1e-5)
    assert difference.high == pytest.approx(-2 + 4.30265 / 3**0.5, rel=1e-5)
    assert difference.p == pytest.approx(0.0741799, rel=1e-5)


def test_interval_and_p_are_those_of_scipy():
    first, second = np.random.default_rng(0).normal(size=(2, 7))
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    difference = paired_difference(first, second)
    assert difference.p == pytest.approx(expected.pvalue)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))


def test_what_seeds_share_is_no_part_of_the_interval():
    seeds = np.array([0.0, 50.0, -70.0])
    plain = paired_difference([1.0, 2.0, 4.0], [1.5, 2.0, 3.0])
    shared = paired_difference(seeds + np.array([1.0, 2.0, 4.0]), seeds + np.array([1.5, 2.0, 3.0]))
    assert (shared.low, shared.high, shared.p) == pytest.approx((plain.low, plain.high, plain.p))


def test_two_seeds_are_enough_for_a_wide_interval():
    difference = paired_difference([1.0, 2.0], [0.0, 0.0])
    assert (difference.low, difference.high) == pytest.approx((1.5 - 12.7062 * 0.5, 1.5 + 12.7062 * 0.5), rel=1e-5)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan]])
def test_fewer_than_two_pairs_make_no_test(values):
    assert paired_difference(values, [2.0] * len(values)) is None


def test_seeds_that_a_row_lacks_do_not_count():
    lacking = paired_difference([1.0, np.nan, 3.0, 5.0, np.inf], [0.0, 7.0, np.nan, 1.0, 1.0])
    assert lacking == paired_difference([1.0, 5.0], [0.0, 1.0])


def test_equal_rows_do_not_differ():
    assert paired_difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == PairedDifference(0.0, 0.0, 0.0, 1.0, 3)


def test_cells_of_the_same_weights_do_not_differ_where_their_samples_were_rounded_apart():
    # FID of two seeds, where selection kept the base of both: samples drawn in two processes.
    base, kept = [9.152355988682659, 8.34870936114503], [9.152352148527696, 8.34868650446061]
    assert paired_difference(kept, base) == PairedDifference(0.0, 0.0, 0.0, 1.0, 2)
    assert two_sided_p_of_differences(np.array(kept), np.array(base)) == 1.0
    assert upper_p_of_differences(np.array(base), np.array(kept)) == 1.0
    assert paired_difference([9.1534, 8.3487], base).p < 1.0  # a ten-thousandth is none


def test_differences_that_agree_by_chance_to_five_digits_keep_their_t_test():
    # Equal up to 6e-6 of the values, and far from zero: no rounding makes such a difference.
    first, second = np.array([30.0, 32.0]), np.array([28.0, 29.9998])
    expected = stats.ttest_rel(first, second).pvalue
    assert paired_difference(first, second).p == pytest.approx(expected)
    assert two_sided_p_of_differences(first, second) == pytest.approx(expected)
    assert upper_p_of_differences(first, second) == pytest.approx(expected / 2)


def test_differences_without_spread_have_no_interval_and_the_p_of_the_sign_test():
    # 0.1 + 0.2 - 0.2 and such: equal up to rounding.
    difference = paired_difference([0.3, 0.5, 0.7, 0.9], [0.2, 0.4, 0.6, 0.8])
    assert difference.mean == pytest.approx(0.1)
    assert (difference.low, difference.high, difference.p) == (None, None, 0.125)


def test_of_many_pairs_of_rows_each_has_the_one_sided_p_of_its_own():
    rows = np.random.default_rng(0).normal(size=(4, 5))
    p = upper_p_of_differences(rows, rows[0])
    expected = [stats.ttest_rel(row, rows[0], alternative="greater").pvalue for row in rows[1:]]
    assert p == pytest.approx([1.0, *expected])


def test_many_equal_differences_have_the_one_sided_p_of_the_sign_test():
    base = np.array([1.0, 2.0, 3.0])
    assert list(upper_p_of_differences(np.stack([base + 1, base - 1, base]), base)) == [0.125, 1.0, 1.0]


def by_cells(board):
    return paired_difference(board, np.zeros(9))


def by_bases(board):
    return paired_difference_of_groups(board, np.zeros(9), np.repeat([4, 0, 2], 3))


def share_told_on_three_bases(*, part, of_these_bases, test=by_cells):
    """The share of boards of 3 bases × 3 seeds on which equal methods differ. part: of the variance, what belongs to the base."""
    rng = np.random.default_rng(0)
    of_bases = part**0.5 * np.repeat(rng.normal(size=(2000, 3)), 3, axis=1)
    differences = of_bases + (1 - part) ** 0.5 * rng.normal(size=(2000, 9))
    if of_these_bases:  # the methods are equal on average over these three
        differences -= of_bases.mean(1, keepdims=True)
    return np.mean([test(board).p <= 0.05 for board in differences])


@pytest.mark.parametrize(("part", "of_further"), [(0.1, 0.07), (0.3, 0.12), (0.5, 0.18)])
def test_cells_that_share_bases_are_tested_for_these_bases_and_not_for_further_ones(part, of_further):
    assert share_told_on_three_bases(part=part, of_these_bases=True) < 0.06
    assert share_told_on_three_bases(part=part, of_these_bases=False) == pytest.approx(of_further, abs=0.025)


@pytest.mark.parametrize("part", [0.1, 0.5])
def test_means_of_bases_are_tested_for_further_bases_whatever_they_share(part):
    assert share_told_on_three_bases(part=part, of_these_bases=False, test=by_bases) == pytest.approx(0.05, abs=0.015)


def test_groups_are_compared_by_the_means_of_the_pairs_that_both_rows_have():
    first, second = [1.0, 3.0, 9.0, np.nan, 6.0], [0.0, 1.0, np.nan, 4.0, 2.0]
    difference = paired_difference_of_groups(first, second, [7, 7, 7, 8, 8])
    assert difference == paired_difference([2.0, 6.0], [0.5, 2.0])
    assert paired_difference_of_groups(first, second, [7, 7, 7, 7, 7]) is None


def test_the_interval_holds_the_true_difference_in_95_percent_of_boards():
    rng = np.random.default_rng(0)
    seeds = rng.normal(scale=5.0, size=(2000, 1, 3))  # shared by the two rows of a board
    boards = seeds + rng.normal(size=(2000, 2, 3)) + np.array([[[1.0], [0.0]]])
    differences = [paired_difference(first, second) for first, second in boards]
    # 2,000 boards: the standard deviation of the share is 0.005.
    assert np.mean([each.low <= 1.0 <= each.high for each in differences]) == pytest.approx(0.95, abs=0.012)


def test_of_many_pairs_of_rows_each_has_the_two_sided_p_of_its_own():
    rows = np.random.default_rng(0).normal(size=(4, 5))
    rows[1, 3] = np.nan
    rows[2, :4] = np.nan  # shares one seed with the others
    rows = np.vstack([rows, rows[0], rows[0] + 1.0])  # equal, and equal but for a constant
    p = two_sided_p_of_differences(rows[:, None], rows)
    for first, second in np.ndindex(6, 6):
        expected = paired_difference(rows[first], rows[second])
        assert p[first, second] == pytest.approx(np.nan if expected is None else expected.p, nan_ok=True)
