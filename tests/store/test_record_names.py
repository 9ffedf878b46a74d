"""Names of rows and floors: with a number of samples only where a board has several."""

import pytest

from harness.store.record_names import floor_name, row_name


@pytest.mark.parametrize(("size", "expected"), [(None, "net/tune"), (500, "net/tune/n500"), (10_000, "net/tune/n10000")])
def test_a_row_is_named_by_base_method_and_number_of_samples(size, expected):
    assert row_name("net", "tune", size) == expected


@pytest.mark.parametrize(("size", "expected"), [(None, "fid[cnn]"), (500, "fid[cnn]__n500")])
def test_a_floor_is_named_by_metric_and_number_of_samples(size, expected):
    assert floor_name("fid[cnn]", size) == expected
