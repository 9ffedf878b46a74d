import numpy as np
import pytest

from harness.statistics.holm import holm, holm_within


def test_a_case_solved_by_hand():
    # Sorted 0.01, 0.03, 0.04 become 3 · 0.01, 2 · 0.03, and at least as much as the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_no_adjusted_p_is_above_one():
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_any_false_rejection_happens_in_at_most_5_percent_of_families():
    families = np.random.default_rng(0).uniform(size=(2000, 5))
    assert np.mean([min(holm(list(family))) <= 0.05 for family in families]) == pytest.approx(0.05, abs=0.012)


def test_one_test_of_a_family_has_the_adjusted_p_that_it_has_among_all():
    rng = np.random.default_rng(0)
    for p in ([0.04, 0.01, 0.03], [0.2, 0.01, 0.2, 0.01], list(rng.uniform(size=9) ** 3), [0.5]):
        assert [holm_within(each, p) for each in p] == pytest.approx(holm(p))
        assert [holm_within(each * (1 + 1e-12), p) for each in p] == pytest.approx(holm(p))  # rounded otherwise
        assert [holm_within(each * (1 - 1e-12), p) for each in p] == pytest.approx(holm(p))
