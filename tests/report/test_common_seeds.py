import pytest

from harness.report.common_seeds import mean_at, own_places, shared_places


@pytest.fixture
def rows(make_row):
    return [make_row(values={"distance": values}) for values in ((1.0, None, 4.0), (2.0, 3.0, None))]


def test_shared_seeds_are_those_of_all_rows_and_own_ones_those_of_any(rows, column):
    assert shared_places(rows, column()).tolist() == [True, False, False]
    assert own_places(rows, column()).tolist() == [True, True, True]


def test_a_mean_is_over_the_given_seeds_and_none_where_one_of_them_has_no_value(rows, column):
    first, second = rows
    assert mean_at(first, column(), own_places([first], column())) == 2.5
    assert mean_at(first, column(), shared_places(rows, column())) == 1.0
    assert mean_at(first, column(), own_places([second], column())) is None


def test_there_is_no_mean_over_no_seed(rows, column):
    assert mean_at(rows[0], column(), shared_places(rows, column()) & False) is None
