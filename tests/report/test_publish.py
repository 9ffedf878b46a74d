import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from harness.errors import UserError
from harness.report.publish import plan
from harness.report.render import render_published
from harness.report.sheet import pixels
from harness.stages import example_sets
from harness.store import outputs
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import load_record, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def folder(board):
    return BoardFolder(board.folder)


@pytest.fixture
def cell_files(board, folder):
    """The names of the published files of all cells."""
    return {folder.record(RecordName("cell", cell.name)).name for cell in board.cells}


@pytest.fixture
def draw_samples(runs):
    """Writes sample sets of a shape into the runs folder; a set's values are the seed + 0.123456, or less for images."""

    def draw_samples(board, *shape):
        for cell in board.cells:
            value = cell.seed + 0.123456 if len(shape) == 2 else cell.seed / 4

            def make(folder, name=cell.name, value=value):
                save_file({"x.0": torch.full(shape, value)}, folder / example_sets.SAMPLES)
                return {"samples_sha256": f"samples-{name}"}

            outputs.once(runs, "sample", cell.sample_key, make)

    return draw_samples


def names(folder):
    return {path.name for path in folder.results.glob("*.json")}


def test_records_are_published_as_they_are(board, folder, runs, run_records):
    run_records(board, runs)
    publication = plan(board, runs)
    assert publication.problems == ()
    publication.apply()
    cell = board.cells[0]
    published = folder.record(RecordName("cell", cell.name))
    assert published.read_bytes() == runs.record(board.name, cell.name, cell.key).read_bytes()
    assert load_record(published).key == cell.key
    assert {"floor__distance.json", "floor__likeness.json", "preview__real.json"} <= names(folder)


def test_a_board_whose_data_cannot_be_drawn_any_more_is_published_without_a_preview(
    board, folder, runs, run_records, monkeypatch
):
    run_records(board, runs)
    monkeypatch.setattr("harness_fake.Ring.evaluation", lambda *_: 1 / 0)
    publication = plan(board, runs)
    assert publication.unmade == ("no preview of real examples: ZeroDivisionError: division by zero",)
    publication.apply()
    assert "preview__real.json" not in names(folder)
    assert "floor__distance.json" in names(folder)


def test_publishing_removes_what_a_killed_one_left(board, folder, runs, run_records):
    run_records(board, runs)
    beside = (folder.results / "a.json", folder.page, folder.plots / "curves.png")
    dead = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path; from harness.store.files import scratch_path\n"
         "for path in map(Path, sys.argv[1:]): path.parent.mkdir(exist_ok=True); scratch_path(path).write_text('half')", *beside],
        check=True,
    )  # fmt: skip
    assert dead.returncode == 0
    assert len([path for path in folder.root.rglob(".*") if path.is_file()]) == 3
    plan(board, runs).apply()
    render_published(board).write(board.folder)
    assert [path for path in folder.root.rglob(".*") if path.is_file()] == []


def test_planning_alone_writes_nothing(board, folder, runs, run_records):
    run_records(board, runs)
    publication = plan(board, runs)
    assert len(publication.copies) == 15 + 2
    assert not folder.results.exists()


def test_what_was_made_of_weights_of_an_older_version_is_a_problem(board, runs, run_records):
    run_records(board, runs)
    run_records(board, runs, board.cells[:2], unsealed=["base", "finetune"])
    (problem,) = plan(board, runs).problems
    assert problem.startswith(
        "2 made of weights of an older version, whose costs and curve have no checksum "
        f"(harness run {board.folder} --fresh FILTER makes them whole): net/none/s0, net/none/s1"
    )


def test_missing_and_failed_cells_and_floors_are_problems(board, runs, run_records):
    run_records(board, runs, board.cells[:3])
    run_records(board, runs, board.cells[3:4], status="failed", metrics={})
    runs.floor(board.name, "likeness", board.floors[1].key).unlink()
    missing, failed, floors = plan(board, runs).problems
    assert missing.startswith("11 not run: net/fit/s1, net/fit/s2, net/tune/s0")
    assert failed == "1 failed: net/fit/s0"
    assert floors == "1 floor not run: likeness"
    runs.floor(board.name, "distance", board.floors[0].key).unlink()
    assert plan(board, runs).problems[-1] == "2 floors not run: distance, likeness"


def test_a_diverged_cell_is_a_result_and_no_problem(board, runs, run_records):
    run_records(board, runs, status="diverged", metrics={})
    publication = plan(board, runs)
    assert publication.problems == ()
    assert len(publication.copies) == 15 + 2


def test_several_machines_publish_into_one_folder(board, folder, tmp_path, run_records, cell_files):
    here, there = RunsFolder(tmp_path / "here"), RunsFolder(tmp_path / "there")
    run_records(board, here, board.cells[:9])
    run_records(board, there, board.cells[9:])
    plan(board, here).apply()
    publication = plan(board, there)
    assert publication.problems == ()
    publication.apply()
    assert len(names(folder) & cell_files) == 15


def test_a_failure_here_does_not_replace_what_ended_well_elsewhere(board, folder, runs, publish_records, run_records):
    publish_records(board)
    run_records(board, runs, board.cells[:1], status="failed", metrics={})
    publication = plan(board, runs)
    file = folder.record(RecordName("cell", board.cells[0].name)).name
    assert file in publication.kept
    assert file not in publication.copies
    assert publication.problems == ()


def test_what_ended_well_here_replaces_a_failure(board, folder, runs, publish_records, run_records):
    publish_records(board, board.cells[:1], status="failed", metrics={})
    run_records(board, runs, board.cells[:1])
    publication = plan(board, runs)
    publication.apply()
    assert load_record(folder.record(RecordName("cell", board.cells[0].name))).status == "done"


def test_a_stale_record_stays_until_there_is_a_better_one(board, folder, runs, publish_records, run_records, make_floor):
    publish_records(board, board.cells[:1], key="0" * 24)
    older = make_floor(board, board.floors[0]).model_copy(update={"key": "0" * 24})
    save_record(older, folder.record(RecordName("floor", "distance")))
    files = ["floor__distance.json", "net__none__s0.json"]
    assert set(files) <= set(plan(board, runs).kept)
    assert plan(board, runs).removed == ()
    run_records(board, runs, board.cells[:1])
    assert set(files) <= set(plan(board, runs).copies)


def test_files_that_no_longer_belong_to_the_board_go(board, folder, runs, load, publish_records):
    publish_records(board)
    publication = plan(load(("  tune:\n", "")), runs)
    assert publication.removed == tuple(f"net__tune__s{seed}.json" for seed in range(3))
    publication.apply()
    assert not any("tune" in name for name in names(folder))


def test_smoke_records_are_refused(board, runs, load, run_records):
    with pytest.raises(UserError, match="rings: smoke records are never published; run the board without --smoke"):
        plan(load(smoke=True), runs)
    run_records(board, runs, board.cells[:2], is_smoke=True)
    with pytest.raises(UserError, match="net/none/s0, net/none/s1: made by a smoke run; smoke records are never published"):
        plan(board, runs)


def test_a_smoke_floor_is_refused_as_well(board, runs, make_floor):
    floor = board.floors[0]
    smoke = make_floor(board, floor).model_copy(update={"is_smoke": True})
    save_record(smoke, runs.floor(board.name, floor.name, floor.key))
    with pytest.raises(UserError, match="floor of distance: made by a smoke run"):
        plan(board, runs)


def test_the_lowest_seed_of_a_row_is_previewed(board, folder, runs, run_records, draw_samples):
    run_records(board, runs)
    draw_samples(board, 100, 2)
    plan(board, runs).apply()
    content = json.loads(folder.preview("net/fit").read_text())
    assert content == {"source": "samples-net/fit/s0", "points": [[0.1235, 0.1235]] * 100}
    assert [plot.name for plot in render_published(board).plots] == ["samples.png", "curves.png"]


def test_previews_stay_as_long_as_their_samples_are_the_records(board, runs, tmp_path, run_records, draw_samples):
    run_records(board, runs)
    draw_samples(board, 100, 2)
    plan(board, runs).apply()
    other_machine = RunsFolder(tmp_path / "other")
    assert "preview__net__fit.json" in plan(board, other_machine).kept
    run_records(board, other_machine, samples_sha256="another")
    publication = plan(board, other_machine)
    assert "preview__net__fit.json" in publication.removed
    publication.apply()
    assert [plot.name for plot in render_published(board).plots] == ["curves.png"]


def test_image_boards_publish_sheets(image_board, runs, run_records, draw_samples):
    board = image_board()
    run_records(board, runs, dataset_fingerprint="shades-1")
    draw_samples(board, 20, 1, 2, 2)
    plan(board, runs).apply()
    content = json.loads(BoardFolder(board.folder).preview("net/fit").read_text())
    assert pixels(content["sheet"])[::3, ::3, 0].tolist() == [[128] * 10] * 2, "seed 0 is grey"
    rendered = render_published(board)
    assert [plot.name for plot in rendered.plots] == ["samples.png", "curves.png"]


def test_latents_are_published_without_previews(image_board, runs, run_records):
    board = image_board(channels=4)
    run_records(board, runs)
    assert plan(board, runs).previews == {}
