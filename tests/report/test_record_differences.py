import pytest

from harness.report.record_differences import GROUPS, record_differences
from harness.store.records import CurvePoint, Record, SourceFacts


@pytest.fixture
def record(board, make_record):
    return make_record(board.cells[3])


def test_a_record_differs_in_nothing_from_itself(record):
    assert record_differences(record, record) == {group: [] for group in GROUPS}


def test_every_field_of_a_record_but_its_key_and_time_is_compared():
    compared = {name for names in GROUPS.values() for name in names}
    assert set(Record.model_fields) - compared == {"schema_version", "key", "created"}


def test_differences_are_named_by_their_path_in_the_group_that_they_belong_to(record):
    training = {**record.training, "images": 7}
    other = record.model_copy(update={"seed": 9, "training": training, "weights_sha256": "f" * 64})
    found = record_differences(record, other)
    assert [(each.field, each.second) for each in found["settings"]] == [("seed", "9"), ("training.images", "7")]
    assert [each.field for each in found["weights and data"]] == ["weights_sha256"]
    assert found["numbers"] == found["software and machine"] == []


def test_sources_go_by_their_component_and_points_by_their_images(record):
    first = record.model_copy(
        update={
            "sources": [SourceFacts(component="method fit", sha256="a"), SourceFacts(component="harness", sha256="c")],
            "curve": [CurvePoint(images=0, value=1.0), CurvePoint(images=64, value=0.5)],
        }
    )
    second = first.model_copy(
        update={
            "sources": [SourceFacts(component="harness", sha256="c"), SourceFacts(component="method fit", sha256="b")],
            "curve": [CurvePoint(images=0, value=1.0), CurvePoint(images=64, value=0.25, candidate=2)],
        }
    )
    found = record_differences(first, second)
    assert [(each.field, each.first, each.second) for each in found["software and machine"]] == [
        ("sources[method fit].sha256", "a", "b")
    ]
    assert [(each.field, each.first, each.second) for each in found["numbers"]] == [
        ("curve[64 images]", "0.5", "(absent)"),
        ("curve[64 images, candidate 2]", "(absent)", "0.25"),
    ]
