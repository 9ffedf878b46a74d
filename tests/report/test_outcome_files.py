import gc
import hashlib
import math
import os

import pytest

from harness.errors import UserError
from harness.report import outcome_files
from harness.report.outcome import outcome_of_record
from harness.report.outcome_files import load_outcome, load_outcomes, load_whole_outcomes
from harness.store.records import FloorRecord, Measured, save_record


@pytest.fixture
def results(board, publish_records):
    return publish_records(board)


@pytest.fixture
def names(results):
    return sorted(path.name for path in results.glob("net__*.json"))


@pytest.fixture
def in_processes(monkeypatch):
    """Reads two records and more in several processes."""
    monkeypatch.setattr(outcome_files, "POOL_RECORDS", 2)
    monkeypatch.setattr(outcome_files, "CHUNK_RECORDS", 2)


def test_an_outcome_is_the_same_read_fast_or_checked(board, make_record, tmp_path, monkeypatch):
    save_record(make_record(board.cells[4]), tmp_path / "a.json")
    fast = load_outcome(tmp_path / "a.json")
    monkeypatch.setattr(outcome_files, "outcome_of_json", lambda _: None)
    assert load_outcome(tmp_path / "a.json") == fast == outcome_of_record(make_record(board.cells[4]))


def test_a_value_that_is_not_finite_is_read(board, make_record, tmp_path):
    record = make_record(board.cells[4], metrics={"distance": Measured(values=[math.nan, 1.0])})
    save_record(record, tmp_path / "a.json")
    assert math.isnan(load_outcome(tmp_path / "a.json").means["distance"])


def test_a_file_that_is_not_a_cell_s_record_says_so(tmp_path):
    save_record(FloorRecord(board="b", metric="m", key="0" * 24, values=[1.0]), tmp_path / "a.json")
    with pytest.raises(UserError, match="not a Record"):
        load_outcome(tmp_path / "a.json")


def test_a_record_of_a_newer_harness_says_so(board, make_record, tmp_path):
    save_record(make_record(board.cells[0], schema_version=2), tmp_path / "a.json")
    with pytest.raises(UserError, match=r"a\.json: written by a newer harness"):
        load_outcome(tmp_path / "a.json")


def test_a_missing_file_is_named(results):
    with pytest.raises(UserError, match=r"absent\.json: no such record"):
        list(load_outcomes(results, ["absent.json"]))


def test_outcomes_come_in_the_order_of_the_names(results, names):
    backwards = names[::-1]
    assert [f"{outcome.cell.replace('/', '__')}.json" for outcome in load_outcomes(results, backwards)] == backwards


def test_equal_environments_are_one_object(results, names):
    outcomes = list(load_outcomes(results, names))
    assert len({id(outcome.environment) for outcome in outcomes}) == 1
    assert len({id(outcome.extractors) for outcome in outcomes}) == 1


def test_processes_give_the_same_as_one(results, names, request):
    expected = list(load_outcomes(results, names))
    request.getfixturevalue("in_processes")
    outcomes = list(load_outcomes(results, names))
    assert outcomes == expected
    assert len({id(outcome.environment) for outcome in outcomes}) == 1


def test_a_record_that_processes_find_damaged_is_the_same_error(results, names, in_processes):
    (results / names[3]).write_text("{}")
    with pytest.raises(UserError, match=f"{names[3]}: damaged"):
        list(load_outcomes(results, names))


def test_a_damaged_record_is_noted_and_the_others_are_read(results, names):
    expected = list(load_outcomes(results, names))
    faults = []
    assert load_whole_outcomes(results, names, faults) == expected
    (results / names[3]).write_text("{}")
    assert load_whole_outcomes(results, names, faults) == [*expected[:3], None, *expected[4:]]
    (fault,) = faults
    assert f"{names[3]}: damaged" in fault


def test_the_garbage_collector_is_as_it_was_before(results, names):
    assert gc.isenabled()
    list(load_outcomes(results, names))
    assert gc.isenabled()
    gc.disable()
    try:
        list(load_outcomes(results, names))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_no_names_give_no_outcomes(tmp_path):
    assert list(load_outcomes(tmp_path / "absent", [])) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"parameters": ', '"parameters": 1' + "0" * 400),
        ('"seconds_finetune": ', '"seconds_finetune": [],  "x": '),
        ('"seconds_sample": ', '"seconds_sample": Infinity,  "x": '),
        ('"nfe": ', '"nfe": NaN,  "x": '),
        ('"training": {', '"training": {"deep": ' + "[" * 100_000 + ", "),
        ('"created": "', '"created": "\\ud800'),
        ('"values": [', '"values": [1e308, 1e308, 1e308, '),
        ('"reason": "', '"reason": "\\ud800'),
    ],
)
def test_content_that_no_harness_writes_is_one_line_although_its_checksum_is_right(board, make_record, tmp_path, old, new):
    path = tmp_path / "a.json"
    save_record(make_record(board.cells[4]), path)
    head, _, body = path.read_text().split("\n", 2)
    assert old in body
    body = "\n" + body.replace(old, new, 1)
    path.write_text(f'{head}\n "sha256": "{hashlib.sha256(body.encode()).hexdigest()}",{body}')
    with pytest.raises(UserError, match=r"a\.json: not a Record: ") as caught:
        load_outcome(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_pipe_among_the_results_is_one_line(results, names):
    (results / names[0]).unlink()
    os.mkfifo(results / names[0])
    with pytest.raises(UserError, match="a pipe or a device stands where a file must be; move it away"):
        list(load_outcomes(results, names))
