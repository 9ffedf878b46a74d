"""Published records count as done where they are asked to."""

import json

import pytest

from harness.board.log_files import cell_log
from harness.errors import UserError
from harness.report.adopt import adopt
from harness.run.states import states
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName


def test_published_records_leave_only_the_rest_to_run(board, runs, publish_records):
    publish_records(board, board.cells[:3])
    assert adopt(board, runs) == 3 + len(board.floors)
    found = {state.cell.name: state.state for state in states(board, board.cells, runs)}
    assert [found[cell.name] for cell in board.cells[:4]] == ["done", "done", "done", "to run"]


def test_an_adopted_record_is_the_published_file_byte_by_byte(board, runs, publish_records):
    publish_records(board, board.cells[:1])
    adopt(board, runs)
    cell, floor, folder = board.cells[0], board.floors[0], BoardFolder(board.folder)
    for name, run in (
        (RecordName("cell", cell.name), runs.record(board.name, cell.name, cell.key)),
        (RecordName("floor", floor.name), runs.floor(board.name, floor.name, floor.key)),
    ):
        assert run.read_bytes() == folder.record(name).read_bytes()


def test_stale_records_are_not_taken(board, runs, publish_records):
    publish_records(board, board.cells[:2], key="of older settings")
    assert adopt(board, runs) == len(board.floors)
    assert all(state.record is None for state in states(board, board.cells, runs))


def test_what_was_measured_here_stays(board, runs, publish_records, run_records):
    run_records(board, runs, board.cells[:1], created="here")
    publish_records(board, board.cells[:1], created="elsewhere")
    assert adopt(board, runs) == 0
    (state, *_) = states(board, board.cells, runs)
    assert state.record.created == "here"


def test_taking_records_twice_copies_none_the_second_time(board, runs, publish_records):
    publish_records(board)
    assert adopt(board, runs) == 15 + len(board.floors)
    assert adopt(board, runs) == 0


def test_nothing_published_means_nothing_to_take(board, runs):
    assert adopt(board, runs) == 0
    assert not runs.records(board.name).exists()


def test_a_damaged_record_ends_it_before_anything_is_copied(board, runs, publish_records):
    publish_records(board)
    BoardFolder(board.folder).record(RecordName("cell", board.cells[-4].name)).write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        adopt(board, runs)
    assert not runs.records(board.name).exists()


def test_a_published_record_takes_the_place_of_a_damaged_one(board, runs, publish_records, run_records):
    """The damaged one counted as there, so that the cell was trained again although its result is published."""
    publish_records(board, created="elsewhere")
    run_records(board, runs, created="here")
    cell, floor = board.cells[0], board.floors[0]
    runs.record(board.name, cell.name, cell.key).write_text("{")
    runs.floor(board.name, floor.name, floor.key).write_text("{")
    assert adopt(board, runs) == 2
    found = [state.record.created for state in states(board, board.cells[:2], runs)]
    assert found == ["elsewhere", "here"]
    assert adopt(board, runs) == 0


def test_a_published_result_takes_the_place_of_a_failure(board, runs, publish_records, run_records):
    publish_records(board)
    run_records(board, runs, board.cells[:1], status="failed", reason="no memory", metrics={})
    adopt(board, runs)
    assert states(board, board.cells[:1], runs)[0].state == "done"


def test_the_log_of_a_failed_training_goes_with_its_record(board, runs, publish_records, run_records):
    """The published result stood beside the log of the training that failed, and `publish` could have published that."""
    cell = next(cell for cell in board.cells if cell.trains)
    publish_records(board)
    run_records(board, runs, [cell], status="failed", reason="no memory", metrics={})
    log = cell_log(cell)
    published, run = log.published(BoardFolder(board.folder)), log.beside_records(runs, board.name)
    line = {"step": 1, "images": 64, "values": {"loss": 0.5}}
    whole = f"{json.dumps({'training': log.training_key})}\n{json.dumps(line)}\n"
    published.write_text(whole)
    run.write_text(whole.splitlines()[0] + "\n")
    adopt(board, runs)
    assert run.read_text() == whole


def test_a_published_failure_takes_no_place(board, runs, publish_records, run_records):
    publish_records(board, board.cells[:1], status="failed", reason="elsewhere", metrics={})
    run_records(board, runs, board.cells[:1], status="failed", reason="here", metrics={})
    assert adopt(board, runs) == 0
    assert states(board, board.cells[:1], runs)[0].reason == "here"
