"""Records of one extractor with different weights: other numbers, which share no column."""

import pytest

from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.extractor_versions import ExtractorVersion, check_extractor_versions, extractor_versions
from harness.report.publish import plan
from harness.report.render import render_published
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import ExtractorFacts, load_floor, save_record


def facts(weights, preprocessing="grey, / 255", name="net"):
    return ExtractorFacts(name=name, version="1/1", settings={}, weights_sha256=weights * 64, preprocessing=preprocessing)


@pytest.fixture
def save_floor(board, make_floor):
    def save(**fields):
        floor = board.floors[0]
        path = BoardFolder(board.folder).record(RecordName("floor", floor.name))
        save_record(make_floor(board, floor).model_copy(update=fields), path)
        return path

    return save


def test_each_extractor_has_the_version_that_all_records_name(board, publish_records, save_floor):
    publish_records(board, extractors={"net": facts("a"), "other": facts("c", name="other")})
    assert load_floor(save_floor(extractor=facts("a"))).extractor == facts("a")
    assert extractor_versions(collect_published(board)) == {
        "net": ExtractorVersion("a" * 64, "grey, / 255"),
        "other": ExtractorVersion("c" * 64, "grey, / 255"),
    }


def test_a_page_says_which_weights_and_which_preprocessing(board, publish_records):
    publish_records(board, extractors={"net": facts("a")})
    assert f"- **net**: weights sha256 `{'a' * 64}`; images: grey, / 255." in render_published(board).page


def test_records_without_extractors_have_no_versions(collection):
    check_extractor_versions(collection)
    assert extractor_versions(collection) == {}


@pytest.mark.parametrize("other", [facts("b"), facts("a", "bicubic")])
def test_a_cell_with_other_weights_or_preprocessing_ends_rendering(board, publish_records, other):
    publish_records(board, extractors={"net": facts("a")})
    publish_records(board, board.cells[:1], extractors={"net": other})
    cell = board.cells[0].name
    with pytest.raises(UserError, match=f"records of net are of different weights or preprocessing.*{cell}.*Delete"):
        render_published(board)


def test_so_does_a_floor(board, publish_records, save_floor):
    publish_records(board, extractors={"net": facts("a")})
    save_floor(extractor=facts("b"))
    with pytest.raises(UserError, match=f"floor of {board.floors[0].name}"):
        render_published(board)


def test_the_message_says_which_records_are_of_which_version_and_counts_what_it_does_not_name(board, publish_records):
    publish_records(board, board.cells[:6], extractors={"net": facts("a")})
    publish_records(board, board.cells[6:7], extractors={"net": facts("b", "bicubic")})
    with pytest.raises(UserError) as caught:
        check_extractor_versions(collect_published(board))
    assert str(caught.value) == (
        "rings: records of net are of different weights or preprocessing, and such numbers do not share a column "
        "(sha256 aaaaaaaaaaaa…, grey, / 255: net/none/s0, net/none/s1, net/none/s2, net/fit/s0 and 2 more; "
        "sha256 bbbbbbbbbbbb…, bicubic: net/tune/s0). "
        "Delete the records of all but one of these and run the board again"
    )


def test_publishing_leaves_what_is_published_alone(board, runs, publish_records, run_records):
    results = publish_records(board, extractors={"net": facts("a")})
    run_records(board, runs, board.cells[:1], extractors={"net": facts("b")})
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    with pytest.raises(UserError, match="do not share a column"):
        plan(board, runs)
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before


def test_a_floor_without_an_extractor_is_written_as_ever(board, publish_records, save_floor):
    publish_records(board)
    assert '"extractor"' not in save_floor().read_text()
