"""Results as frames: rows, types, published and run records."""

import pandas as pd
import pytest

import harness.results
from harness.errors import UserError
from harness.results.columns import COST_NAMES, CURVES, RESULTS
from harness.results.found import records_of_board
from harness.results.frames import frame
from harness.results.rows import curve_rows, result_rows
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import Costs, Measured, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


def results_of(board, runs=None):
    return frame((row for found in records_of_board(board, runs) for row in result_rows(found)), RESULTS)


def test_a_row_is_a_cell_a_metric_and_a_draw(board, publish_records):
    publish_records(board)
    table = results_of(board)
    cells = table[table.kind == "cell"]
    assert len(cells) == 15 * 2 * 2
    cell = board.cells[0]
    row = cells[(cells.cell == cell.name) & (cells.metric == "distance") & (cells.draw == 1)].iloc[0]
    assert row.value == pytest.approx(0.051)
    assert (row.base, row.method, row.seed, row.part) == (cell.base.name, cell.method_name, cell.seed, "value")
    assert (row.key, row.is_current, row.origin) == (cell.key, True, "published")
    assert (row.peak_memory_bytes, row.nfe, row.seconds_sample) == (300_000_000, 10, 0.4)


def test_floors_stand_beside_the_cells(board, publish_records):
    publish_records(board)
    table = results_of(board)
    floors = table[(table.kind == "floor") & (table.metric == "distance")]
    assert floors.value.tolist() == [0.010, 0.012, 0.014, 0.012]
    assert floors.base.isna().all()
    assert floors.is_current.all()


def test_each_column_has_the_type_that_the_documentation_names(board, publish_records):
    publish_records(board)
    for table in (results_of(board), frame([], RESULTS)):
        assert {column.name: column.dtype for column in RESULTS} == {name: str(dtype) for name, dtype in table.dtypes.items()}
    assert list(frame([], CURVES).columns) == [column.name for column in CURVES]


def test_every_cost_of_a_record_has_a_column():
    assert set(COST_NAMES) == set(Costs.model_fields)


def test_a_cell_without_a_result_has_one_row_with_its_reason_and_no_zeros(board, publish_records):
    publish_records(board, [board.cells[0]], status="diverged", reason="loss is nan", metrics={})
    table = results_of(board)
    (row,) = [row for _, row in table[table.kind == "cell"].iterrows()]
    assert (row.status, row.reason) == ("diverged", "loss is nan")
    assert all(pd.isna(row[name]) for name in ("metric", "draw", "value", "steps", "seconds_finetune", "parameters"))


def test_further_values_of_a_metric_are_parts(board, publish_records):
    measured = {"distance": Measured(values=[1.0, 2.0], also={"spread": [0.25, 0.5]})}
    publish_records(board, [board.cells[0]], metrics=measured)
    table = results_of(board)
    parts = table[(table.kind == "cell") & (table.metric == "distance")].groupby("part").value.apply(list)
    assert parts.to_dict() == {"value": [1.0, 2.0], "spread": [0.25, 0.5]}


def test_records_of_runs_follow_and_copies_of_published_ones_are_left_out(board, runs, publish_records, run_records):
    publish_records(board, board.cells[:2])
    run_records(board, runs, board.cells[1:3])
    table = results_of(board, runs)
    cells = table[(table.kind == "cell") & (table.metric == "distance") & (table.draw == 0)]
    assert cells.origin.tolist() == ["published", "published", "run"]
    assert cells.cell.tolist() == [cell.name for cell in board.cells[:3]]


def test_a_record_of_other_settings_is_there_and_not_current(board, publish_records):
    publish_records(board, [board.cells[0]], key="f" * 24)
    table = results_of(board)
    assert not table[table.kind == "cell"].is_current.any()


def test_a_curve_has_a_row_for_each_point(board, publish_records):
    publish_records(board, [cell for cell in board.cells if cell.name == "net/fit/s1"])
    table = frame((row for found in records_of_board(board) for row in curve_rows(found)), CURVES)
    assert table.images.tolist() == [0, 320, 640, 960, 1280]
    assert table["round"].tolist() == [1] * 5
    assert table.value.is_monotonic_decreasing


def test_floors_of_several_numbers_of_samples_are_told_apart(write_board, fake_plugins, publish_records):
    from board_fixtures import DATA_BOARD

    from harness.board.reading.load import load_board

    board = load_board(write_board(DATA_BOARD), plugins=fake_plugins)
    publish_records(board, [])
    table = results_of(board)
    assert set(table["size"]) == {100, 200}


def test_a_runs_folder_is_read_over_all_its_boards(board, runs, run_records):
    run_records(board, runs)
    table = harness.results.read(runs.root)
    assert set(table.board) == {"rings"}
    assert table.is_current.isna().all()
    assert len(harness.results.read_curves(str(runs.root))) == 5 * sum(
        cell.trains and not cell.skip_reason for cell in board.cells
    )


def test_a_folder_of_records_is_read_too(board, publish_records):
    publish_records(board)
    assert set(harness.results.read(BoardFolder(board.folder).results).kind) == {"cell", "floor"}


def test_a_folder_without_records_is_a_fault(tmp_path):
    with pytest.raises(UserError, match="neither a board, nor a runs folder"):
        harness.results.read(tmp_path)


def test_a_damaged_record_is_named(board, publish_records):
    publish_records(board)
    path = BoardFolder(board.folder).record(RecordName("cell", board.cells[0].name))
    path.write_text(path.read_text().replace("0.05", "0.01"))
    with pytest.raises(UserError, match=r"net__none__s0.json: damaged: its checksum does not match"):
        results_of(board)


def test_a_committed_board_is_read_by_its_path():
    table = harness.results.read("leaderboards/digits/board.yaml")
    assert table[table.kind == "cell"].is_current.all()


def test_saving_and_reading_gives_the_same_digits(board, tmp_path):
    value = 0.1 + 0.2
    cell = board.cells[0]
    from board_fixtures import fake_record

    save_record(fake_record(cell, metrics={"distance": Measured(values=[value])}), tmp_path / "net__none__s0.json")
    assert harness.results.read(tmp_path).value.tolist() == [value]
