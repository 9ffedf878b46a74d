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


def newer(board, runs, run_records, **fields):
    """Make the first cell anew under its key, after it was published."""
    run_records(board, runs, board.cells[:1], **{"created": "2026-02-01T00:00:00Z", **fields})


def test_copies_of_published_records_do_not_stand_twice(board, runs, publish_records, run_records):
    publish_records(board, board.cells[:2])
    run_records(board, runs, board.cells[:2])
    found, lines = found_in(board, runs)
    assert [each.origin for each in found] == ["published"] * 2
    assert all(each.is_current for each in found)
    assert lines == []


def test_a_copy_with_the_line_ends_of_another_system_is_a_copy(board, runs, publish_records, run_records):
    file = publish_records(board, board.cells[:1]) / "net__none__s0.json"
    run_records(board, runs, board.cells[:1])
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert [each.origin for each in found_in(board, runs)[0]] == ["published"]


@pytest.mark.parametrize("created", ["2026-02-01T00:00:00Z", "2026-02-01T00:00:00+00:00"])
def test_a_newer_result_of_a_published_key_stands_in_the_table_and_counts(board, runs, publish_records, run_records, created):
    publish_records(board, board.cells[:2])
    newer(board, runs, run_records, created=created)
    found, (line,) = found_in(board, runs)
    assert [(each.record.cell, each.origin, each.is_current) for each in found] == [
        ("net/none/s0", "published", False),
        ("net/none/s1", "published", True),
        ("net/none/s0", "run", True),
    ]
    assert line == (
        "1 published record is not current: of the same key, the runs folder has a newer result: net/none/s0. Both stand in the "
        "table, told apart by `origin` and `is_current`; `harness publish` replaces them"
    )


def test_a_result_that_is_older_than_the_published_one_is_not_current(board, runs, publish_records, run_records):
    publish_records(board, board.cells[:1])
    newer(board, runs, run_records, created="2025-01-01T00:00:00Z")
    found, (line,) = found_in(board, runs)
    assert [(each.origin, each.is_current) for each in found] == [("published", True), ("run", False)]
    assert line.startswith(
        "1 run record is not current: of the same key, the published result is newer, or the run failed: net/none/s0."
    )


def test_a_published_failure_gives_way_to_the_result(board, runs, publish_records, run_records):
    publish_records(board, board.cells[:1], status="failed", reason="no memory", metrics={}, created="2026-03-01T00:00:00Z")
    newer(board, runs, run_records)
    found, _ = found_in(board, runs)
    assert [(each.record.status, each.is_current) for each in found] == [("failed", False), ("done", True)]


def test_a_later_failure_does_not_hide_a_published_result(board, runs, publish_records, run_records):
    publish_records(board, board.cells[:1])
    newer(board, runs, run_records, status="failed", reason="no memory", metrics={})
    found, (line,) = found_in(board, runs)
    assert [(each.record.status, each.is_current) for each in found] == [("done", True), ("failed", False)]
    assert line.startswith("1 run record is not current: of the same key, the published result is newer, or the run failed: ")


def test_a_floor_that_was_measured_again_counts_in_the_place_of_the_published_one(board, runs, publish_records, make_floor):
    publish_records(board, [])
    floor = board.floors[0]
    again = make_floor(board, floor)
    save_record(
        again.model_copy(update={"values": [2 * value for value in again.values]}), runs.floor(board.name, floor.name, floor.key)
    )
    lines = []
    of_floor = [each for each in records_of_board(board, runs, lines.append) if each.record.key == floor.key]
    assert [(each.origin, each.is_current) for each in of_floor] == [("published", False), ("run", True)]
    assert len(lines) == 1
