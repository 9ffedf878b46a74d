import json
import math

import pytest

from harness.errors import UserError
from harness.store.records import FloorRecord, Measured, load_floor, load_record, save_record


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
    with pytest.raises(UserError, match="not a Record: Field required at protocol"):
        load_record(path)
    with pytest.raises(UserError, match="no such record"):
        load_record(path.with_name("other.json"))
