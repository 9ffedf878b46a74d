"""Records of a board: which count, which do not, and what is said of files that count for nothing."""

import shutil

import pytest

from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.passed_over import passed_over
from harness.results.found import records_of_board
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import Measured, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


def file_of(board, cell):
    return BoardFolder(board.folder).record(RecordName("cell", cell.name))


def found_in(board, runs=None):
    """Returns the found records of cells, and the lines about files that count for nothing."""
    lines = []
    found = list(records_of_board(board, runs, lines.append))
    return [each for each in found if not each.file.name.startswith("floor__")], lines


def test_a_file_of_nothing_that_the_board_has_is_left_out_and_named_as_by_render(board, publish_records):
    results = publish_records(board, board.cells[:2])
    shutil.copy(results / "net__none__s0.json", results / "net__none__s0 (1).json")
    (results / "net__none__s1.json").rename(results / "net__none__s9.json")
    (results / "notes.json").write_text("by hand")
    found, lines = found_in(board)
    assert [(each.file.name, each.is_current) for each in found] == [("net__none__s0.json", True)]
    assert lines == passed_over(collect_published(board))
    assert [line.removeprefix(f"{results}/") for line in lines] == [
        f"{name}: of nothing that the board has; it counts for nothing"
        for name in ("net__none__s0 (1).json", "net__none__s9.json", "notes.json")
    ]


def test_a_record_in_the_file_of_another_does_not_count_twice(board, publish_records, make_record):
    publish_records(board, board.cells[:2])
    save_record(make_record(board.cells[0]), file_of(board, board.cells[1]))
    found, (line,) = found_in(board)
    assert [each.file.name for each in found] == ["net__none__s0.json"]
    assert line.endswith("net__none__s1.json: holds the record of another, net/none/s0; it counts for nothing")


def test_a_published_smoke_record_counts_for_nothing(board, publish_records):
    publish_records(board, board.cells[:1], is_smoke=True)
    found, (line,) = found_in(board)
    assert (found, line.rpartition("/")[2]) == ([], "net__none__s0.json: holds a smoke record; it counts for nothing")


def test_without_a_taker_the_lines_are_logged(board, publish_records, caplog):
    publish_records(board, board.cells[:1], is_smoke=True)
    list(records_of_board(board))
    assert [message.rpartition("/")[2] for message in caplog.messages] == [
        "net__none__s0.json: holds a smoke record; it counts for nothing"
    ]


def test_other_results_under_published_keys_are_left_out_with_a_word(board, runs, publish_records, run_records):
    publish_records(board, board.cells[:1], status="failed", reason="no memory", metrics={})
    publish_records(board, board.cells[1:2])
    run_records(board, runs, board.cells[:2])  # the first cell has been repaired since
    found, lines = found_in(board, runs)
    assert [(each.origin, each.record.status) for each in found] == [("published", "failed"), ("published", "done")]
    assert lines == [
        f"{runs.root} has 1 result other than those published under the same keys, which are left out: cell net/none/s0; publish "
        f"the board to take them, or read {runs.root} itself"
    ]


def test_a_copy_in_the_runs_folder_is_not_current(board, runs, run_records):
    run_records(board, runs, board.cells[:1])
    path = runs.record(board.name, board.cells[0].name, board.cells[0].key)
    shutil.copy(path, path.with_name(f"{path.stem} (1).json"))
    found, lines = found_in(board, runs)
    assert {each.file.name: each.is_current for each in found} == {path.name: True, f"{path.stem} (1).json": False}
    assert lines == []


def test_a_current_record_that_lacks_draws_is_refused_wherever_it_is(board, runs, make_record):
    cell = board.cells[0]
    bad = make_record(cell, metrics={"distance": Measured(values=[0.1] * 2), "likeness": Measured(values=[0.1])})
    for path in (runs.record(board.name, cell.name, cell.key), file_of(board, cell)):
        save_record(bad, path)
        with pytest.raises(UserError, match="damaged: likeness has 1 draw, the board measures 2"):
            found_in(board, runs)
