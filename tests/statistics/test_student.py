import pytest

from harness.statistics.student import half_width, two_sided_p, upper_p


@pytest.mark.parametrize(("df", "quantile"), [(1, 12.7062), (2, 4.30265), (9, 2.26216)])  # any table of Student's t
def test_the_95_percent_interval_has_the_width_of_the_tables(df, quantile):
    assert float(half_width(df)) == pytest.approx(quantile, rel=1e-5)
    assert float(two_sided_p(quantile, df)) == pytest.approx(0.05, rel=1e-4)
    assert float(two_sided_p(-quantile, df)) == pytest.approx(0.05, rel=1e-4)


def test_a_one_sided_p_is_small_where_t_is_large():
    assert upper_p([12.7062, 0.0, -12.7062], 1) == pytest.approx([0.025, 0.5, 0.975], rel=1e-4)
