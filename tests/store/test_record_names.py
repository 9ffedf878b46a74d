"""Names of rows and floors, with a number of samples only where a board has several, and of records."""

import pytest

from harness.store.record_names import RecordName, floor_name, row_name


@pytest.mark.parametrize(("size", "expected"), [(None, "net/tune"), (500, "net/tune/n500"), (10_000, "net/tune/n10000")])
def test_a_row_is_named_by_base_method_and_number_of_samples(size, expected):
    assert row_name("net", "tune", size) == expected


@pytest.mark.parametrize(("size", "expected"), [(None, "fid[cnn]"), (500, "fid[cnn]__n500")])
def test_a_floor_is_named_by_metric_and_number_of_samples(size, expected):
    assert floor_name("fid[cnn]", size) == expected


@pytest.mark.parametrize(
    ("record", "text", "file_stem"),
    [
        (RecordName("cell", "net/tune/n500/s2"), "net/tune/n500/s2", "net__tune__n500__s2"),
        (RecordName("floor", "fid[cnn]"), "floor of fid[cnn]", "floor__fid[cnn]"),
    ],
)
def test_a_record_is_named_for_readers_and_for_files(record, text, file_stem):
    assert str(record) == text
    assert record.file_stem == file_stem


def test_a_cell_and_a_floor_of_one_name_are_two_records():
    assert len({RecordName("cell", "a"), RecordName("floor", "a"), RecordName("cell", "a")}) == 2
