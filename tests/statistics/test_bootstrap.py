import numpy as np
import pytest

from harness.statistics.bootstrap import bootstrap_interval


def test_the_interval_is_near_that_of_the_t_test_where_values_are_many_and_normal():
    values = np.random.default_rng(1).normal(2.0, 1.0, 400)
    error = values.std(ddof=1) / 20
    assert bootstrap_interval(values) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.01)


def test_the_interval_of_skewed_values_reaches_further_to_their_side():
    values = np.random.default_rng(2).exponential(1.0, 50)
    interval = bootstrap_interval(values)
    assert interval is not None
    low, high = interval
    assert high - values.mean() > 1.1 * (values.mean() - low)


def test_the_same_values_have_the_same_interval():
    assert bootstrap_interval([1.0, 2.0, 4.0, 3.0]) == bootstrap_interval([1.0, 2.0, 4.0, 3.0])


@pytest.mark.parametrize("values", [[1.0, 2.0], [3.0, 3.0, 3.0]])
def test_too_few_values_and_equal_ones_have_no_interval(values):
    assert bootstrap_interval(values) is None
