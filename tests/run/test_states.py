"""How cells and floors stand, told from the records in a runs folder."""

import logging

import pytest
from edited_code import edit

from harness.run.changes import Change
from harness.run.states import CellState, missing_floors, states, summary
from harness.stages.current_records import current_record
from harness.store.records import SourceFacts, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def save(runs, make_record):
    """Write a record for a cell; returns its path."""

    def do(cell, **fields):
        path = runs.record(cell.board, cell.name, cell.key)
        save_record(make_record(cell, **fields), path)
        return path

    return do


def test_a_cell_without_a_record_is_to_run(board, runs):
    found = states(board, board.cells, runs)
    assert [state.cell for state in found] == list(board.cells)
    assert {(state.state, state.record, state.seconds) for state in found if state.cell.skip_reason is None} == {
        ("to run", None, None)
    }


def test_a_cell_that_cannot_run_is_skipped_with_the_boards_reason(board, runs):
    skipped = [state for state in states(board, board.cells, runs) if state.state == "skipped"]
    assert [state.cell.name for state in skipped] == ["chain/tune/s0", "chain/tune/s1", "chain/tune/s2"]
    assert all("lacks Likelihood" in state.reason for state in skipped)
    assert not any(state.needs_a_run for state in skipped)


def test_a_record_says_how_its_cell_ended_and_what_it_took(board, runs, save):
    first, second, third, *_ = board.cells
    save(first)
    save(second, status="diverged", reason="loss is nan")
    save(third, status="failed", reason="KeyError")
    found = states(board, board.cells[:3], runs)
    assert [(state.state, state.reason, state.needs_a_run) for state in found] == [
        ("done", "", False),
        ("diverged", "loss is nan", False),
        ("failed", "KeyError", True),
    ]
    assert found[0].seconds == pytest.approx(0.4 + 2 * 0.5)  # sampling, and two metrics


def test_a_record_of_other_settings_does_not_count(board, runs, save, make_record):
    cell = board.cells[0]
    save_record(make_record(cell), runs.record(cell.board, cell.name, "of other settings"))
    assert states(board, [cell], runs)[0].state == "to run"
    assert current_record(cell, runs) is None


def test_a_damaged_record_counts_as_absent_and_is_reported_once(board, runs, save, caplog):
    path = save(board.cells[0])
    path.write_bytes(path.read_bytes().replace(b"0.05", b"0.04"))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert states(board, board.cells[:1], runs)[0].state == "to run"
    assert len([message for message in caplog.messages if str(path) in message]) == 1


def test_floors_without_a_record_are_missing(board, runs, make_floor):
    assert missing_floors(board, runs) == list(board.floors)
    first, second = board.floors
    save_record(make_floor(board, first), runs.floor(board.name, first.name, first.key))
    assert missing_floors(board, runs) == [second]


def test_a_summary_counts_the_states_in_one_order(board):
    found = [CellState(board.cells[0], state) for state in ("skipped", "to run", "done", "to run")]
    assert summary(found) == "4 cells: 1 done, 2 to run, 1 skipped"
    assert summary([CellState(board.cells[0], "failed"), CellState(board.cells[0], "diverged")]) == (
        "2 cells: 1 diverged, 1 failed"
    )


def test_json_names_the_cell_and_its_key(board):
    cell = board.cells[0]
    assert CellState(cell, "diverged", "loss is nan", seconds=2.0).as_json() == {
        "cell": cell.name,
        "state": "diverged",
        "reason": "loss is nan",
        "seconds": 2.0,
        "key": cell.key,
        "changed": [],
    }


def test_a_record_of_code_that_was_edited_says_so_and_counts_as_it_did(board, runs, save, monkeypatch):
    facts = SourceFacts(component="method ddo", distribution="finetune-harness", version="0.1.0", sha256="a" * 64)
    save(board.cells[0], sources=[facts, SourceFacts(component="metric gone", sha256="a" * 64)])
    edited = edit(monkeypatch, "method ddo")
    (found,) = states(board, board.cells[:1], runs)
    assert (found.state, found.needs_a_run) == ("done", False)
    assert found.changed == (Change(facts, edited),)
    assert found.as_json()["changed"] == ["method ddo"]
    save(board.cells[0], sources=[facts.model_copy(update={"sha256": edited})])
    assert states(board, board.cells[:1], runs)[0].changed == ()
    save(board.cells[0])
    assert states(board, board.cells[:1], runs)[0].changed == (), "of a record without hashes nothing is known"
