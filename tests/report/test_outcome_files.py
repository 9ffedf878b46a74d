import math

import msgspec
import pytest

from harness.errors import UserError
from harness.report import outcome_files
from harness.report.outcome_files import load_outcome, load_outcomes
from harness.store.records import FloorRecord, Measured, save_record


def test_what_a_page_needs_is_the_same_read_fast_or_checked(board, make_record, tmp_path, monkeypatch):
    record = make_record(board.cells[4])
    save_record(record, tmp_path / "a.json")
    fast = load_outcome(tmp_path / "a.json")
    monkeypatch.setattr(outcome_files, "outcome_of_json", lambda _: None)
    assert load_outcome(tmp_path / "a.json") == fast


def refuse(_):
    raise msgspec.DecodeError


def test_a_value_that_is_not_finite_is_read(board, make_record, tmp_path):
    record = make_record(board.cells[4])
    record = record.model_copy(update={"metrics": {"distance": Measured(values=[math.nan, 1.0])}})
    save_record(record, tmp_path / "a.json")
    assert math.isnan(load_outcome(tmp_path / "a.json").means["distance"])


def test_processes_give_the_same_as_one(board, publish_records, monkeypatch):
    results = publish_records(board)
    names = sorted(path.name for path in results.glob("net__*.json"))
    expected = list(load_outcomes(results, names))
    monkeypatch.setattr(outcome_files, "POOL_RECORDS", 2)
    monkeypatch.setattr(outcome_files, "CHUNK_RECORDS", 2)
    assert list(load_outcomes(results, names)) == expected


def test_a_record_that_processes_find_damaged_is_an_error_all_the_same(board, publish_records, monkeypatch):
    results = publish_records(board)
    names = sorted(path.name for path in results.glob("net__*.json"))
    (results / names[3]).write_text("{}")
    monkeypatch.setattr(outcome_files, "POOL_RECORDS", 2)
    with pytest.raises(UserError, match=f"{names[3]}: damaged"):
        list(load_outcomes(results, names))


def test_what_is_no_record_of_a_cell_says_so(tmp_path):
    save_record(FloorRecord(board="b", metric="m", key="0" * 24, values=[1.0]), tmp_path / "a.json")
    with pytest.raises(UserError, match="not a Record"):
        load_outcome(tmp_path / "a.json")
