"""Published records count as done where they are asked to."""

import pytest

from harness.errors import UserError
from harness.report.adopt import adopt
from harness.run.states import states
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName


def test_published_records_leave_only_the_rest_to_run(board, layout, publish_records):
    publish_records(board, board.cells[:3])
    assert adopt(board, layout) == 3 + len(board.floors)
    found = {state.cell.name: state.state for state in states(board, board.cells, layout)}
    assert [found[cell.name] for cell in board.cells[:4]] == ["done", "done", "done", "to run"]


def test_an_adopted_record_is_the_published_file_byte_by_byte(board, layout, publish_records):
    publish_records(board, board.cells[:1])
    adopt(board, layout)
    cell, floor, folder = board.cells[0], board.floors[0], BoardFolder(board.folder)
    for name, run in (
        (RecordName("cell", cell.name), layout.record(board.name, cell.name, cell.key)),
        (RecordName("floor", floor.name), layout.floor(board.name, floor.name, floor.key)),
    ):
        assert run.read_bytes() == folder.record(name).read_bytes()


def test_stale_records_are_not_taken(board, layout, publish_records):
    publish_records(board, board.cells[:2], key="of older settings")
    assert adopt(board, layout) == len(board.floors)
    assert all(state.record is None for state in states(board, board.cells, layout))


def test_what_was_measured_here_stays(board, layout, publish_records, run_records):
    run_records(board, layout, board.cells[:1], created="here")
    publish_records(board, board.cells[:1], created="elsewhere")
    assert adopt(board, layout) == 0
    (state, *_) = states(board, board.cells, layout)
    assert state.record.created == "here"


def test_taking_records_twice_copies_none_the_second_time(board, layout, publish_records):
    publish_records(board)
    assert adopt(board, layout) == 15 + len(board.floors)
    assert adopt(board, layout) == 0


def test_nothing_published_means_nothing_to_take(board, layout):
    assert adopt(board, layout) == 0
    assert not layout.records(board.name).exists()


def test_a_damaged_record_ends_it_before_anything_is_copied(board, layout, publish_records):
    publish_records(board)
    BoardFolder(board.folder).record(RecordName("cell", board.cells[-4].name)).write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        adopt(board, layout)
    assert not layout.records(board.name).exists()
