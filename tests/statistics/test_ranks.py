import numpy as np
import pytest

from harness.statistics.ranks import mean_ranks


def test_equal_values_share_their_rank_and_the_direction_counts():
    values = [[1.0, 2.0, 2.0], [3.0, 5.0, 4.0]]
    assert mean_ranks(values, higher_is_better=False).ranks.tolist() == [[1.0, 2.5, 2.5], [1.0, 3.0, 2.0]]
    assert mean_ranks(values, higher_is_better=[True, False]).ranks.tolist() == [[3.0, 1.5, 1.5], [1.0, 3.0, 2.0]]


def test_the_critical_difference_is_the_one_that_was_published():
    # Demšar 2006, section 3.2.4: four methods on 14 data sets, Nemenyi at 0.05: CD = 2.569 √(4·5 / (6·14)) = 1.25.
    values = np.random.default_rng(0).normal(size=(14, 4))
    assert mean_ranks(values, higher_is_better=False).critical_difference == pytest.approx(1.25, abs=0.005)


def test_friedmans_test_of_methods_that_are_alike_errs_in_5_percent_at_most():
    boards = np.random.default_rng(0).normal(size=(500, 10, 4))
    found = np.mean([mean_ranks(board, higher_is_better=False).p <= 0.05 for board in boards])
    assert found == pytest.approx(0.05, abs=0.03)


def test_a_method_that_is_always_the_best_is_told_from_the_one_that_is_always_the_worst():
    ranks = mean_ranks([[1.0, 2.0, 3.0, 4.0]] * 6, higher_is_better=False)
    assert ranks.told_apart(0, 3)
    assert not ranks.told_apart(0, 1)


def test_equal_ranks_tell_nothing_apart():
    ranks = mean_ranks([[1.0, 1.0, 1.0]] * 3, higher_is_better=False)
    assert ranks.p == 1.0
    assert not ranks.told_apart(0, 2)


def test_values_that_differ_by_rounding_share_their_rank():
    """Two rows of one set of weights, drawn by two processes, were told apart over enough blocks."""
    ranks = mean_ranks([[1.0, 1.0 + 4e-6, 2.0]] * 12, higher_is_better=False)
    assert ranks.means.tolist() == [1.5, 1.5, 3.0]
    assert not ranks.told_apart(0, 1)
    signs = mean_ranks([[-1.0, -1.0 - 4e-6, -1.0 - 4e-5], [0.0, 0.0, 1e-9]], higher_is_better=True)
    assert signs.ranks.tolist() == [[1.5, 1.5, 3.0], [2.5, 2.5, 1.0]]


@pytest.mark.parametrize("values", [[[1.0, 2.0, 3.0]], [[1.0, 2.0], [1.0, 2.0]]])
def test_too_few_methods_or_blocks_are_refused(values):
    with pytest.raises(ValueError, match="2 blocks and 3 methods at least"):
        mean_ranks(values, higher_is_better=False)
