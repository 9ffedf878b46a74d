import pytest

from harness.errors import UserError
from harness.report.collect import collect_published, collect_runs
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import save_record
from harness.store.runs_folder import RunsFolder


def test_records_of_other_settings_are_stale_and_those_not_there_missing(board, publish_records, make_record):
    first, second, *rest = [cell for cell in board.cells if cell.skip_reason is None]
    publish_records(board, rest)
    save_record(make_record(first, key="0" * 24), BoardFolder(board.folder).record(RecordName("cell", first.name)))
    found = collect_published(board)
    assert found.stale == (RecordName("cell", first.name),)
    assert found.missing == [first, second]
    assert set(found.records) == {cell.name for cell in rest}
    assert not found.missing_floors


def test_a_smoke_record_never_counts_for_a_real_board(board, publish_records):
    publish_records(board, board.cells[:1], is_smoke=True)
    assert collect_published(board).stale == (RecordName("cell", board.cells[0].name),)


def test_runs_keep_older_records_beside_current_ones(board, tmp_path, make_record):
    layout = RunsFolder(tmp_path / "runs")
    first, second = board.cells[:2]
    for cell, key in ((first, first.key), (first, "0" * 24), (second, "0" * 24)):
        save_record(make_record(cell, key=key), layout.record(board.name, cell.name, key))
    found = collect_runs(board, layout)
    assert set(found.records) == {first.name}
    assert found.stale == (RecordName("cell", second.name),)


def test_a_damaged_record_is_an_error_that_names_the_file(board, publish_records):
    publish_records(board)
    path = BoardFolder(board.folder).record(RecordName("cell", board.cells[0].name))
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 9'))
    with pytest.raises(UserError, match=rf"{path.name}: damaged: its checksum does not match"):
        collect_published(board)


def test_no_results_folder_means_that_nothing_has_run(board):
    found = collect_published(board)
    assert len(found.missing) == 15  # 18 cells, three of them skipped
    assert found.missing_floors == ["distance", "likeness"]
