"""Estimates of how long a cell takes: means over done cells of its base and method, wherever their records are."""

import pytest
from board_fixtures import BOARD, SAMPLER_BOARD

from harness.board.reading.load import load_board
from harness.run.durations import PastDurations, seconds_of
from harness.store.records import Costs, Measured, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


def took(seconds):
    """Fields of a record of a cell that took so long."""
    return {"costs": Costs(seconds_finetune=seconds), "metrics": {}}


def test_a_cell_takes_its_tuning_sampling_and_measuring(board, make_record):
    metrics = {"a": Measured(values=[1.0], seconds=4.0), "b": Measured(values=[1.0], seconds=8.0)}
    costs = Costs(seconds_finetune=1.0, seconds_sample=2.0, seconds_prepare=100.0)  # prepared once for all cells of the base
    assert seconds_of(make_record(board.cells[0], costs=costs, metrics=metrics)) == 15.0


def test_an_estimate_is_the_mean_over_done_cells_of_the_same_base_and_method(board, runs, make_record):
    cells = {cell.name: cell for cell in board.cells}
    for name, fields in {
        "net/fit/s0": took(10.0),
        "net/fit/s1": took(20.0),
        "net/none/s0": took(500.0),
        "chain/fit/s0": took(700.0),
        "net/tune/s0": {**took(900.0), "status": "failed"},
    }.items():
        cell = cells[name]
        save_record(make_record(cell, **fields), runs.record(cell.board, cell.name, cell.key))
    past = PastDurations(board, runs)
    assert past.estimate(cells["net/fit/s2"]) == 15.0
    assert past.estimate(cells["chain/fit/s1"]) == 700.0
    assert past.estimate(cells["net/tune/s1"]) is None  # the only such cell failed, and says nothing of the time


def test_a_point_of_a_grid_is_estimated_from_the_points_that_have_run(write_board, fake_plugins, runs, make_record):
    board = load_board(
        write_board(BOARD.replace("  tune:", "  tune: {training: {images: {grid: [640, 1280, 2560]}}}")), plugins=fake_plugins
    )
    first, second, third = (cell for cell in board.cells if cell.name.startswith("net/tune[") and cell.seed == 0)
    for cell, seconds in ((first, 10.0), (second, 20.0)):
        save_record(make_record(cell, **took(seconds)), runs.record(cell.board, cell.name, cell.key))
    past = PastDurations(board, runs)
    assert [past.estimate(cell) for cell in (first, second, third)] == [10.0, 20.0, 15.0]


def test_records_of_older_settings_and_published_ones_count(board, runs, make_record, publish_records):
    cell = board.cells[0]
    save_record(make_record(cell, **took(4.0)), runs.record(cell.board, cell.name, "0" * 24))
    publish_records(board, [cell], **took(8.0))
    assert PastDurations(board, runs).estimate(cell) == 6.0


def test_a_smoke_run_is_not_estimated_from_full_budgets(write_board, fake_plugins, runs, publish_records):
    board = load_board(write_board(), plugins=fake_plugins, smoke=True)
    publish_records(board, [board.cells[0]], **took(8.0))
    assert PastDurations(board, runs).estimate(board.cells[0]) is None


def test_a_damaged_record_is_left_out_without_a_word(board, runs, make_record, caplog):
    cell = board.cells[0]
    path = runs.record(cell.board, cell.name, cell.key)
    save_record(make_record(cell, **took(4.0)), path)
    path.write_text("{}")
    assert PastDurations(board, runs).estimate(cell) is None
    assert caplog.messages == []


def test_the_training_that_cells_of_several_samplers_share_counts_once(write_board, fake_plugins, runs, make_record):
    board = load_board(write_board(SAMPLER_BOARD), plugins=fake_plugins)
    cells = {cell.name: cell for cell in board.cells}
    for name, seconds in {"net/fit/plain/s0": 2.0, "net/fit/push-0/s0": 4.0}.items():
        cell = cells[name]
        record = make_record(cell, metrics={}, costs=Costs(seconds_finetune=100.0, seconds_sample=seconds))
        save_record(record, runs.record(board.name, cell.name, cell.key))
    past = PastDurations(board, runs)
    assert [past.estimate(cells[f"net/fit/{name}/s1"]) for name in ("plain", "push-0", "push-2")] == [102.0, 4.0, None]
    runs.stage("finetune", cells["net/fit/plain/s2"].finetune_key).mkdir(parents=True)
    assert past.estimate(cells["net/fit/plain/s2"]) == 2.0
