import numpy as np
import pytest

from harness.statistics.paired import paired_difference
from harness.statistics.power import MOST, pairs_to_tell, power_of_pairs
from harness.statistics.student import LEVEL


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_numbers_of_pairs_are_those_of_the_tables(effect, pairs):
    # Cohen 1988 and every program for power since: paired t test, two-sided, level 0.05, power 0.8.
    assert pairs_to_tell(effect, 1.0) == pairs_to_tell(-10 * effect, 10.0) == pairs


@pytest.mark.parametrize(("effect", "n"), [(0.5, 9), (1.5, 5)])
def test_the_power_is_the_share_of_simulated_boards_that_find_the_difference(effect, n):
    differences = np.random.default_rng(0).normal(effect, 1.0, (4000, n))
    found = np.mean([paired_difference(row, np.zeros(n)).p <= LEVEL for row in differences])
    assert power_of_pairs(effect, n) == pytest.approx(found, abs=0.025)


def test_the_power_without_a_difference_is_the_level():
    assert power_of_pairs(0.0, 5) == pytest.approx(LEVEL)


def test_differences_that_no_number_of_seeds_finds_have_none():
    assert pairs_to_tell(0.0, 1.0) is None
    assert pairs_to_tell(1e-6, 1.0) is None
    assert pairs_to_tell(0.03, 1.0) <= MOST


def test_a_difference_without_spread_needs_two_pairs():
    assert pairs_to_tell(1.0, 0.0) == 2
