import json

import pytest
import torch
from safetensors.torch import save_file

from harness.board.reading.load import load_board
from harness.errors import UserError
from harness.report.publish import plan
from harness.report.render import render_published
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def layout(tmp_path):
    return RunsFolder(tmp_path / "runs")


def names(folder):
    return {path.name for path in folder.glob("*.json")}


def test_records_are_published_as_they_are(board, layout, run_records):
    run_records(board, layout)
    publication = plan(board, layout)
    assert publication.problems == ()
    publication.apply()
    results = board.folder / "results"
    cell = board.cells[0]
    source = layout.record(board.name, cell.name, cell.key)
    assert (BoardFolder(board.folder).record(RecordName("cell", cell.name))).read_bytes() == source.read_bytes()
    assert load_record(BoardFolder(board.folder).record(RecordName("cell", cell.name))).key == cell.key
    assert {"floor__distance.json", "floor__likeness.json", "preview__real.json"} <= names(results)


def test_missing_and_failed_cells_are_problems(board, layout, run_records):
    run_records(board, layout, board.cells[:3])
    run_records(board, layout, board.cells[3:4], status="failed", metrics={})
    problems = plan(board, layout).problems
    assert problems[0].startswith("11 not run: net/fit/s1, net/fit/s2, net/tune/s0")
    assert problems[1] == "1 failed: net/fit/s0"


def test_several_machines_publish_into_one_folder(board, tmp_path, run_records):
    here, there = RunsFolder(tmp_path / "here"), RunsFolder(tmp_path / "there")
    run_records(board, here, board.cells[:9])
    run_records(board, there, board.cells[9:])
    plan(board, here).apply()
    publication = plan(board, there)
    assert publication.problems == ()
    publication.apply()
    assert (
        len(
            names(board.folder / "results")
            & {BoardFolder(board.folder).record(RecordName("cell", cell.name)).name for cell in board.cells}
        )
        == 15
    )


def test_a_failure_here_does_not_replace_what_ended_well_elsewhere(board, layout, publish_records, run_records):
    publish_records(board)
    run_records(board, layout, board.cells[:1], status="failed", metrics={})
    publication = plan(board, layout)
    assert BoardFolder(board.folder).record(RecordName("cell", board.cells[0].name)).name in publication.kept
    assert publication.problems == ()


def test_files_that_no_longer_belong_to_the_board_go(board, layout, write_board, fake_plugins, run_records, publish_records):
    publish_records(board)
    smaller = load_board(write_board((board.folder / "board.yaml").read_text().replace("  tune:\n", "")), plugins=fake_plugins)
    publication = plan(smaller, layout)
    assert publication.removed == tuple(f"net__tune__s{seed}.json" for seed in range(3))
    publication.apply()
    assert not [name for name in names(board.folder / "results") if "tune" in name]


def test_smoke_records_are_refused(board, layout, write_board, fake_plugins, run_records):
    with pytest.raises(UserError, match="smoke records are never published"):
        plan(load_board(write_board(), smoke=True, plugins=fake_plugins), layout)
    run_records(board, layout, is_smoke=True)
    with pytest.raises(UserError, match="smoke records are never published"):
        plan(board, layout)


def test_the_lowest_seed_of_a_row_is_previewed(board, layout, run_records):
    run_records(board, layout)
    for cell in board.cells:
        folder = layout.stage("sample", cell.sample_key)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"x.0": torch.full((100, 2), cell.seed + 0.123456)}, folder / "samples.safetensors")
    plan(board, layout).apply()
    content = json.loads((board.folder / "results" / "preview__net__fit.json").read_text())
    assert content["points"] == [[0.1235, 0.1235]] * 100
    assert content["source"] == "samples-net/fit/s0"
    assert [plot.name for plot in render_published(board).plots] == ["samples.png", "curves.png"]


def test_a_preview_of_other_samples_than_the_records_is_not_drawn(board, layout, run_records, publish_records):
    test_the_lowest_seed_of_a_row_is_previewed(board, layout, run_records)
    publish_records(board, samples_sha256="another")
    assert [plot.name for plot in render_published(board).plots] == ["curves.png"]
