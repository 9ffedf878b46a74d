"""Training logs are read where they belong to the board's trainings, published where they are small, and taken back by adopt."""

import pytest
from board_fixtures import SAMPLER_BOARD

from harness.board.log_files import base_logs, cell_log, log_files
from harness.report.adopt import adopt
from harness.report.logs import TrainingLogs, read_published_logs, read_run_logs
from harness.report.publish import plan
from harness.report.published_logs import LARGEST, belonging
from harness.report.render import render_published, render_runs
from harness.store.board_folder import BoardFolder
from harness.training.training_log import LogLine, TrainingLog

LINES = (LogLine(10, 640, {"loss": 2.0}), LogLine(20, 1280, {"loss": 1.0}))


@pytest.fixture
def folder(board):
    return BoardFolder(board.folder)


@pytest.fixture
def cell(board):
    """A cell that trains."""
    return next(cell for cell in board.cells if cell.trains)


def write(path, key, lines=LINES):
    log = TrainingLog(path, key)
    log.begin(None)
    for line in lines:
        log.add(line)
    return path


def write_all(board, runs, lines):
    for log in log_files([cell for cell in board.cells if cell.skip_reason is None], board.bases):
        write(log.beside_records(runs, board.name), log.training_key, lines)


@pytest.fixture
def run_logs(board, runs, run_records):
    """All records and logs of the board in a runs folder."""
    run_records(board, runs)
    write_all(board, runs, LINES)
    return read_run_logs(board, runs)


def test_the_logs_of_cells_and_bases_are_read(board, runs, run_logs):
    assert run_logs.cells == {cell.name: LINES for cell in board.cells if cell.trains and cell.skip_reason is None}
    assert run_logs.bases == {base.name: (LINES,) for base in board.bases}


def test_without_logs_there_are_none(board, runs, run_records):
    run_records(board, runs)
    assert read_run_logs(board, runs) == read_published_logs(board) == TrainingLogs()
    assert "training-log.png" not in [plot.name for plot in render_runs(board, runs).plots]


def test_small_logs_are_published_and_drawn(board, folder, runs, run_logs):
    plan(board, runs).apply()
    assert read_published_logs(board) == run_logs
    rendered = render_published(board)
    assert "training-log.png" in [plot.name for plot in rendered.plots]
    rendered.write(folder.root)
    assert rendered.stale(folder.root) == []
    assert plan(board, runs).removed == ()


def test_a_step_of_pretraining_without_a_log_keeps_its_place(load, runs):
    step = "{method: fit, training: {images: 1280}}"
    board = load((f"model: net, pretrain: {step}", f"model: net, pretrain: [{step}, {step}]"))
    first, second = base_logs(board.bases[0])
    assert read_run_logs(board, runs).bases == {}
    write(second.beside_records(runs, board.name), second.training_key)
    assert read_run_logs(board, runs).bases == {"net": ((), LINES)}
    write(first.beside_records(runs, board.name), first.training_key)
    assert read_run_logs(board, runs).bases == {"net": (LINES, LINES)}


def test_a_large_log_stays_in_the_runs_folder(board, folder, runs, run_logs, cell):
    log = cell_log(cell)
    many = [LogLine(step, step, {"loss": 0.123456789}) for step in range(LARGEST // 40)]
    write(log.beside_records(runs, board.name), log.training_key, many)
    plan(board, runs).apply()
    assert cell.name not in read_published_logs(board).cells
    assert len(read_run_logs(board, runs).cells[cell.name]) == len(many)


def test_a_log_of_another_training_is_neither_read_nor_kept(board, folder, runs, run_logs, cell):
    plan(board, runs).apply()
    log = cell_log(cell)
    published = write(log.published(folder), "another training")
    stray = write(folder.results / "gone__fit__s0.log.jsonl", "a training of a base that the board had")
    assert cell.name not in read_published_logs(board).cells
    log.beside_records(runs, board.name).unlink()
    publication = plan(board, runs)
    assert set(publication.removed) == {published.name, stray.name}
    publication.apply()
    assert not published.exists()


def lines_of_published(board):
    logs = read_published_logs(board)
    return logs.cells, logs.bases


def test_a_failed_cell_whose_published_record_stays_brings_no_log(board, folder, runs, run_logs, run_records, tmp_path):
    plan(board, runs).apply()
    before = lines_of_published(board)
    other = type(runs)(tmp_path / "other")
    run_records(board, other, status="failed", metrics={})
    write_all(board, other, [LogLine(10, 640, {"loss": 99.0})])
    plan(board, other).apply()
    assert lines_of_published(board) == before


def test_a_log_of_a_cell_goes_with_its_record_from_another_machine(board, folder, runs, run_logs, run_records, tmp_path, cell):
    """The base's log comes too, since a cell of the base is taken; the other cells keep their logs."""
    plan(board, runs).apply()
    other, lines = type(runs)(tmp_path / "other"), (LogLine(10, 640, {"loss": 99.0}),)
    run_records(board, other, [cell], created="elsewhere")
    write_all(board, other, lines)
    plan(board, other).apply()
    published = read_published_logs(board)
    assert [name for name, found in published.cells.items() if found == lines] == [cell.name]
    assert [name for name, found in published.bases.items() if found == (lines,)] == [cell.base.name]


def test_a_log_goes_where_another_runs_record_without_a_log_replaces_its_own(
    board, folder, runs, run_logs, run_records, tmp_path, cell
):
    plan(board, runs).apply()
    other = type(runs)(tmp_path / "other")
    run_records(board, other, [cell], created="elsewhere")
    publication = plan(board, other)
    assert publication.removed == (cell_log(cell).published(folder).name,)
    publication.apply()
    cell_log(cell).beside_records(runs, board.name).unlink()
    plan(board, runs).apply()
    assert plan(board, runs).removed == ()


def test_published_logs_are_adopted_with_their_records(board, runs, run_logs, tmp_path):
    plan(board, runs).apply()
    other = type(runs)(tmp_path / "other")
    adopt(board, other)
    assert read_run_logs(board, other) == run_logs


def test_cells_of_several_samplers_share_a_log_that_is_published_once(load, runs, run_records):
    board = load(text=SAMPLER_BOARD)
    run_records(board, runs)
    write_all(board, runs, LINES)
    logs = read_run_logs(board, runs)
    assert all(logs.cells[f"net/fit/{sampler}/s0"] == LINES for sampler in ("plain", "push-0", "push-2"))
    published = plan(board, runs)
    assert [name for name in published.copies if name.startswith("net__fit") and "s0.log" in name] == ["net__fit__s0.log.jsonl"]
    assert "training-log.png" in [plot.name for plot in render_runs(board, runs).plots]


def test_a_shared_log_stays_until_the_records_of_all_its_samplers_are_replaced(load, runs, run_records):
    board = load(text=SAMPLER_BOARD)
    run_records(board, runs)
    write_all(board, runs, LINES)
    plan(board, runs).apply()
    log, name = BoardFolder(board.folder).results / "net__fit__s0.log.jsonl", "net__fit__s0.log.jsonl"
    assert log.exists()
    names = {f"net__fit__{sampler}__s0.json" for sampler in ("plain", "walking", "push-0", "push-0.5", "push-2")}
    assert name in belonging(board, [], names - {"net__fit__plain__s0.json"})
    assert name not in belonging(board, [], names)
