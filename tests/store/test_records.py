"""Records come back as they were saved, and damage or another version is noticed and named."""

import hashlib
import json
import math
import pickle
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.store.records import (
    ComponentFacts,
    Costs,
    CurvePoint,
    DamagedRecord,
    ExtractorFacts,
    FloorRecord,
    Measured,
    Record,
    UnreadableRecord,
    load_floor,
    load_record,
    save_record,
    usable,
)

FLOOR = FloorRecord(board="b", metric="w2", key="k", values=[0.1 + 0.2])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records" / "net__fit__s0.json"


@pytest.fixture
def record(board, make_record):
    return make_record(board.cells[3])


def test_a_record_comes_back_as_it_was(path, record):
    save_record(record, path)
    assert load_record(path) == record
    assert json.loads(path.read_text())["key"] == record.key


def test_values_that_are_not_finite_survive(path, record):
    exploded = record.model_copy(update={"metrics": {"distance": Measured(values=[math.inf, 1.0])}})
    save_record(exploded, path)
    assert load_record(path).metrics["distance"].values == [math.inf, 1.0]


def test_ends_of_lines_of_another_system_are_no_damage(path, record):
    save_record(record, path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_record(path) == record


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "not a whole record"),
        (lambda _: b"{}\n", "not a whole record"),
        (lambda content: content[: len(content) // 2], "not a whole record"),
        (lambda content: content + b"x", "not a whole record"),
        (lambda content: content.replace(b'"seed": 0', b'"seed": 1'), "checksum does not match"),
        (lambda content: content.replace(b"50178", b"50179"), "checksum does not match"),
        (lambda content: b"\xff" + content[1:], "not a whole record"),
    ],
)
def test_a_damaged_record_says_so_and_what_to_do(path, record, damage, message):
    save_record(record, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=f"net__fit__s0.json: damaged: .*{message}.*delete it"):
        load_record(path)


def test_every_bit_counts(path, record):
    save_record(record, path)
    content = bytearray(path.read_bytes())
    for position in range(0, len(content), 37):
        content[position] ^= 1
        path.write_bytes(content)
        with pytest.raises(UserError):
            load_record(path)
        content[position] ^= 1


def test_a_record_of_a_newer_harness_is_refused(path, record):
    save_record(record.model_copy(update={"schema_version": 2}), path)
    with pytest.raises(UserError, match=r"written by a newer harness \(schema 2, known: 1\); upgrade"):
        load_record(path)


def test_one_kind_is_not_read_as_another(path, record):
    floor = FloorRecord(board="rings", metric="distance", key="0" * 24, values=[1.0])
    save_record(floor, path)
    assert load_floor(path) == floor
    with pytest.raises(UserError, match="not a Record: protocol is missing"):
        load_record(path)
    with pytest.raises(UserError, match="no such record"):
        load_record(path.with_name("other.json"))


def test_a_damaged_floor_counts_as_absent_with_one_warning_a_process(tmp_path, caplog):
    path = tmp_path / "f.json"
    assert usable(path, load_floor) is None
    save_record(FLOOR, path)
    assert usable(path, load_floor) == FLOOR
    assert not caplog.messages
    path.write_text(path.read_text().replace("0.3", "0.2"))
    assert usable(path, load_floor) is usable(path, load_floor) is None
    (warning,) = caplog.messages
    fault = "its checksum does not match what the file holds, which was edited or damaged"
    assert warning == f"{path}: damaged: {fault}; it counts as absent, and `harness run` makes it again"


def test_the_error_of_a_damaged_record_passes_between_processes(tmp_path):
    path = tmp_path / "f.json"
    path.write_text("{}")
    with pytest.raises(DamagedRecord) as caught:
        load_floor(path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.fault) == (str(caught.value), f"{path}: damaged: not a whole record")


def test_a_killed_writer_leaves_the_old_record_or_the_new(tmp_path, kill_everywhere):
    path = tmp_path / "f.json"
    new = FLOOR.model_copy(update={"values": [0.4]})
    save_record(FLOOR, path)

    def check():
        assert load_floor(path) in (FLOOR, new)

    kill_everywhere(lambda: save_record(new, path), check)
    assert load_floor(path) == new


def fields_of(path):
    return json.loads(path.read_text())


def test_fields_that_a_board_does_not_use_are_not_in_its_files(path, record):
    save_record(record, path)
    fields = fields_of(path)
    assert not {"size", "extractors", "unsealed"} & set(fields)
    assert all("also" not in column for column in fields["metrics"].values())
    assert "formula" not in fields["sampler"]
    assert not {"prepare_evaluations", "seconds_prepare"} & set(fields["costs"])
    counted = {"forward_evaluations", "backward_evaluations", "selection_evaluations"}
    assert not counted & set(fields["costs"])  # nobody counted them apart, as in older files
    assert all(getattr(load_record(path).costs, name) is None for name in counted)
    assert fields["selected_images"] is None  # always there: older files have it too
    save_record(FLOOR, path)
    assert not {"extractor", "held_out"} & set(fields_of(path))


def test_fields_that_a_board_uses_come_back(path, record):
    extractor = ExtractorFacts(name="cnn", version="1/1", settings={"layer": 3}, weights_sha256="a" * 64, preprocessing="none")
    full = record.model_copy(
        update={
            "size": 500,
            "extractors": {"cnn": extractor},
            "sampler": ComponentFacts(name="cfg", version="1/1", settings={}, formula="(1 + w) c - w u"),
            "costs": Costs(
                prepare_evaluations=80,
                seconds_prepare=1.5,
                forward_evaluations=0,
                backward_evaluations=9,
                selection_evaluations=2,
            ),
            "metrics": {"kid": Measured(values=[1.0, 2.0], also={"kid sd": [0.1, 0.2]})},
        }
    )
    save_record(full, path)
    assert load_record(path) == full
    assert full.cell == f"{record.base}/{record.method}/n500/s{record.seed}"
    assert full.metrics["kid"].mean == 1.5
    save_record(FLOOR.model_copy(update={"extractor": extractor}), path)
    assert load_floor(path).extractor == extractor


def test_the_second_line_is_the_checksum_of_the_lines_after_it(path, record):
    save_record(record, path)
    first, second, rest = path.read_bytes().split(b"\n", 2)
    assert first == b"{"
    checksum = hashlib.sha256(b"\n" + rest).hexdigest()
    assert second == f' "sha256": "{checksum}",'.encode()


def test_fields_of_another_version_are_ignored(path, record):
    later = Record.model_validate({**record.model_dump(), "mood": "good", "costs": {**record.costs.model_dump(), "joules": 3}})
    assert later == record


def test_a_newer_record_that_does_not_fit_is_named_as_newer_first(path):
    class Later(FloorRecord):
        values: dict[str, float]  # type: ignore[assignment]
        schema_version: int = 7

    save_record(Later(board="b", metric="w2", key="k", values={"mean": 1.0}), path)
    with pytest.raises(UserError, match=r"written by a newer harness \(schema 7, known: 1\); upgrade"):
        load_floor(path)


def test_a_record_that_is_a_folder_cannot_be_read(path):
    path.mkdir(parents=True)
    with pytest.raises(UserError, match=r"net__fit__s0\.json: a folder stands where a record must be; move it away"):
        load_record(path)


def test_a_usable_record_is_returned_and_a_newer_one_is_refused(path, record, caplog):
    assert usable(path, load_record) is None
    save_record(record, path)
    assert usable(path, load_record) == record
    assert not caplog.messages
    save_record(record.model_copy(update={"schema_version": 9}), path)
    with pytest.raises(UnreadableRecord, match=r"written by a newer harness \(schema 9, known: 1\); upgrade$"):
        usable(path, load_record)


# --- files that were written by earlier versions ---------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
PUBLISHED = [
    min(board.glob(pattern))
    for board in sorted((ROOT / "leaderboards").glob("*/results"))
    for pattern in ("[!fp]*__s0.json", "floor__*.json")
    if any(board.glob(pattern))
]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda path: f"{path.parents[1].name}/{path.name}")
def test_a_published_record_is_saved_again_byte_for_byte(published, path):
    load = load_floor if published.name.startswith("floor__") else load_record
    save_record(load(published), path)
    assert path.read_bytes() == published.read_bytes()


def test_a_cells_record_of_the_first_schema_still_loads():
    record = load_record(ROOT / "tests" / "golden" / "records" / "cell_schema_1.json")
    assert record.schema_version == 1
    assert record.cell == f"{record.base}/{record.method}/s{record.seed}"
    assert record.metrics
    assert all(math.isfinite(column.mean) for column in record.metrics.values())


def test_a_floors_record_of_the_first_schema_still_loads():
    floor = load_floor(ROOT / "tests" / "golden" / "records" / "floor_schema_1.json")
    assert (floor.schema_version, floor.extractor) == (1, None)
    assert all(value > 0 for value in floor.values)


def test_a_point_of_a_curve_names_its_round_and_candidate_where_they_are_not_the_first():
    point = CurvePoint(images=128, value=0.5)
    assert point.model_dump() == {"images": 128, "value": 0.5}
    later = CurvePoint(images=128, value=0.5, round=3, candidate=2)
    assert later.model_dump() == {"images": 128, "value": 0.5, "round": 3, "candidate": 2}
    assert CurvePoint.model_validate(later.model_dump()) == later
