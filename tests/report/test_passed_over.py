"""Published files that a page passes over are told from those that the board may have."""

import pytest
from board_fixtures import fake_floor, fake_record

from harness.report.collect import collect_published
from harness.report.passed_over import passed_over
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import save_record


@pytest.fixture
def lines(board):
    return lambda: passed_over(collect_published(board))


@pytest.fixture
def folder(board):
    return BoardFolder(board.folder)


def test_stale_records_and_previews_of_the_board_are_its_own(board, folder, lines):
    cell, floor = board.cells[0], board.floors[0]
    save_record(fake_record(cell).model_copy(update={"key": "0" * 64}), folder.record(RecordName("cell", cell.name)))
    save_record(fake_floor(board, floor).model_copy(update={"key": "0" * 64}), folder.record(RecordName("floor", floor.name)))
    folder.preview(cell.row.name).write_text("{}")
    assert lines() == []


def test_a_file_of_nothing_on_the_board_is_named(folder, lines):
    folder.results.mkdir(exist_ok=True)
    (folder.results / "floor__gone.json").write_text("{}")
    (folder.results / "notes.txt").write_text("")
    assert lines() == [f"{folder.results}/floor__gone.json: of nothing that the board has; it counts for nothing"]


def test_a_record_of_another_cell_is_named_with_that_cell(board, folder, lines):
    first, second = board.cells[0], next(cell for cell in board.cells if cell.key != board.cells[0].key)
    path = folder.record(RecordName("cell", second.name))
    save_record(fake_record(first), path)
    assert lines() == [f"{path}: holds the record of another, {first.name}; it counts for nothing"]


def test_a_smoke_record_is_named(board, folder, lines):
    path = folder.record(RecordName("cell", board.cells[0].name))
    save_record(fake_record(board.cells[0], is_smoke=True), path)
    assert lines() == [f"{path}: holds a smoke record; it counts for nothing"]


def test_a_record_of_another_floor_is_named_with_that_floor(board, folder, lines):
    floor = board.floors[0]
    path = folder.record(RecordName("floor", floor.name))
    save_record(fake_floor(board, floor).model_copy(update={"metric": "other", "key": "0" * 64}), path)
    assert lines() == [f"{path}: holds the record of another, floor of other; it counts for nothing"]
