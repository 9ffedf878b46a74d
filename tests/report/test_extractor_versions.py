"""Records of one extractor with different weights: other numbers, which share no column."""

import pytest

from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.extractor_versions import ExtractorVersion, extractor_versions
from harness.report.publish import plan
from harness.report.render import render_published
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import ExtractorFacts, load_floor, save_record
from harness.store.runs_folder import RunsFolder


def facts(weights, preprocessing="grey, / 255"):
    return ExtractorFacts(name="net", version="1/1", settings={}, weights_sha256=weights * 64, preprocessing=preprocessing)


def save_floor(board, make_floor, **fields):
    floor = board.floors[0]
    path = BoardFolder(board.folder).record(RecordName("floor", floor.name))
    save_record(make_floor(board, floor).model_copy(update=fields), path)
    return path


def test_a_page_says_which_weights_and_which_preprocessing(board, publish_records, make_floor):
    publish_records(board, extractors={"net": facts("a")})
    path = save_floor(board, make_floor, extractor=facts("a"))
    assert load_floor(path).extractor == facts("a")
    assert extractor_versions(collect_published(board)) == {"net": ExtractorVersion("a" * 64, "grey, / 255")}
    assert f"- **net**: weights sha256 `{'a' * 64}`; images: grey, / 255." in render_published(board).page


@pytest.mark.parametrize("other", [facts("b"), facts("a", "bicubic")])
def test_a_cell_with_other_weights_or_preprocessing_ends_rendering(board, publish_records, make_record, other):
    publish_records(board, extractors={"net": facts("a")})
    cell = board.cells[0]
    save_record(make_record(cell, extractors={"net": other}), BoardFolder(board.folder).record(RecordName("cell", cell.name)))
    with pytest.raises(UserError, match=f"records of net are of different weights or preprocessing.*{cell.name}.*Delete"):
        render_published(board)


def test_so_does_a_floor(board, publish_records, make_floor):
    publish_records(board, extractors={"net": facts("a")})
    save_floor(board, make_floor, extractor=facts("b"))
    with pytest.raises(UserError, match=f"floor of {board.floors[0].name}"):
        render_published(board)


def test_publishing_leaves_what_is_published_alone(board, publish_records, run_records, tmp_path):
    results = publish_records(board, extractors={"net": facts("a")})
    layout = RunsFolder(tmp_path / "runs")
    run_records(board, layout, board.cells[:1], extractors={"net": facts("b")})
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    with pytest.raises(UserError, match="do not share a column"):
        plan(board, layout)
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before


def test_a_floor_without_an_extractor_is_written_as_ever(board, publish_records, make_floor):
    publish_records(board)
    assert '"extractor"' not in save_floor(board, make_floor).read_text()
